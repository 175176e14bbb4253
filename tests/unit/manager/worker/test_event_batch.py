"""Events go in batches; none is left when the task ends."""

import threading

from manager.worker.event_batch import EventBatch


class Service:
    """The REST service, as far as events go."""

    def __init__(self, *, fails=False):
        self.requests = []
        self.arrived = threading.Event()
        self.fails = fails

    def send(self, events, logs):
        if self.fails:
            raise ConnectionError
        self.requests.append((events, logs))
        self.arrived.set()


def test_items_of_a_moment_share_a_request():
    service = Service()
    batch = EventBatch(service.send)

    for number in range(3):
        batch.add("event", {"n": number})
        batch.add("log", {"n": number})
    batch.flush()

    assert service.requests == [([{"n": 0}, {"n": 1}, {"n": 2}], [{"n": 0}, {"n": 1}, {"n": 2}])]


def test_items_are_sent_without_being_asked_for():
    service = Service()
    EventBatch(service.send).add("log", {"n": 1})

    assert service.arrived.wait(5)


def test_a_request_has_a_limit():
    service = Service()
    batch = EventBatch(service.send)

    for number in range(450):
        batch.add("log", {"n": number})
    batch.flush()

    assert max(len(logs) for _, logs in service.requests) <= 200
    assert [item["n"] for _, logs in service.requests for item in logs] == list(range(450))


def test_a_service_that_fails_does_not_fail_the_task(caplog):
    batch = EventBatch(Service(fails=True).send)

    batch.add("event", {})
    batch.flush()

    assert "1 events and 0 logs are lost" in caplog.text
