"""States go together, in their order, and none is lost without a word."""

import threading
import time

import pytest

from manager.worker.state_batch import StateBatch


class Service:
    """The REST service, as far as states go."""

    def __init__(self):
        self.requests = []
        self.arrived = threading.Event()
        self.failure = None

    def send(self, updates):
        self.arrived.set()
        if self.failure is not None:
            raise self.failure
        self.requests.append(updates)


def flush_until_it_fails(batch):
    """The thread notes its failure a moment after it met it."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        batch.flush()


@pytest.fixture
def service():
    return Service()


def test_a_flush_returns_when_all_are_stored_in_their_order(service):
    batch = StateBatch(service.send)

    for number in range(1200):
        batch.add({"id": number})
    batch.flush()

    assert [each["id"] for request in service.requests for each in request] == list(range(1200))
    assert max(map(len, service.requests)) <= 500


def test_states_are_sent_when_nothing_else_happens(service):
    StateBatch(service.send).add({"id": 1})

    assert service.arrived.wait(5)


def test_nothing_is_sent_when_nothing_waits(service):
    StateBatch(service.send).flush()

    assert service.requests == []


def test_a_failure_reaches_the_workflow_once(service):
    """It fails by it, and can then still say so."""
    service.failure = ConnectionError("gone")
    batch = StateBatch(service.send)
    batch.add({"id": 1})

    assert service.arrived.wait(5)  # the batch's own thread met it

    with pytest.raises(ConnectionError):
        flush_until_it_fails(batch)
    service.failure = None
    batch.flush()
