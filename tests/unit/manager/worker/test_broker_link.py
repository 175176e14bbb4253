"""The AMQP connection of workflows outlives what breaks it."""

import queue
import threading
from types import SimpleNamespace

import pytest
from pika.exceptions import ChannelClosedByBroker, StreamLostError

from manager.worker.broker_link import PairingHandler, PromptConnection

WAIT_S = 5


class Link:
    """A connection to a broker that breaks when it is told to."""

    is_open = True

    def __init__(self):
        self.failures = queue.Queue()
        self.woken = threading.Event()

    def process_data_events(self, _time_limit):
        self.woken.wait(0.01)
        self.woken.clear()
        if not self.failures.empty():
            raise self.failures.get()

    def add_callback_threadsafe(self, _callback):
        self.woken.set()

    def close(self):
        self.is_open = False


class Channel:
    """What a thread's methods are done on."""

    def __init__(self, failure=None):
        self.failure = failure
        self.done = []

    def basic_publish(self, **message):
        if self.failure is not None:
            raise self.failure
        self.done.append(message)

    def queue_delete(self, **arguments):
        self.done.append(arguments)


class Connection(PromptConnection):
    """Connects to what the test has prepared."""

    def __init__(self, *channels):
        super().__init__([])
        self.channels = list(channels)
        self.links = []

    def connect(self):
        self._pika_connection = Link()
        self.links.append(self._pika_connection)
        self._closed = False  # as the original does
        found = self.channels.pop(0)
        if isinstance(found, Exception):
            raise found
        self.connect_wait.set()
        return found


@pytest.fixture
def serve():
    started = []

    def start(*channels):
        connection = Connection(*channels)
        connection.consume_in_thread()
        started.append(connection)
        return connection

    yield start
    for connection in started:
        connection.close()


def test_what_a_thread_hands_over_is_done_at_once(serve):
    channel = Channel()

    serve(channel).publish({"body": "x"}, timeout=WAIT_S)

    assert channel.done[0]["body"] == "x"


@pytest.mark.parametrize("failure", [StreamLostError("lost"), ChannelClosedByBroker(404, "none")])
def test_a_broken_stream_or_channel_is_replaced(serve, failure):
    first, second = Channel(), Channel()
    connection = serve(first, second)

    connection.links[0].failures.put(failure)
    connection.connect_wait.clear()
    assert connection.connect_wait.wait(WAIT_S)
    connection.publish({"body": "x"}, timeout=WAIT_S)

    assert second.done[0]["body"] == "x"


@pytest.mark.parametrize("failure", [StreamLostError("lost"), ChannelClosedByBroker(541, "stop")])
@pytest.mark.parametrize("before", [0, 1], ids=["first", "next"])
def test_a_broker_that_goes_while_a_connection_is_made_ready_is_replaced(serve, failure, before):
    """A broker that ends takes connections until the last moment, and one that begins early."""
    broken, last = [Channel() for _ in range(before)], Channel()
    connection = serve(*broken, failure, last)

    if before:
        connection.links[0].failures.put(StreamLostError("lost"))
        while len(connection.links) <= before:
            threading.Event().wait(0.01)
    connection.publish({"body": "x"}, timeout=WAIT_S)

    done = [message["body"] for channel in (*broken, last) for message in channel.done]
    assert done == ["x"]
    assert not connection.links[before].is_open


def test_closing_ends_a_connection_that_is_being_made(serve):
    """It would be served for ever: the original takes it for a new beginning."""
    connection = serve(Channel(), Channel())
    connect, connecting = connection.connect, threading.Event()

    def slowly():
        connecting.set()
        connection._ended.wait(WAIT_S)
        return connect()

    connection.connect = slowly
    connection.links[0].failures.put(StreamLostError("lost"))
    assert connecting.wait(WAIT_S)
    thread = connection._consumer_thread
    connection.close(wait=False)

    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_what_met_a_lost_stream_is_sent_on_the_next(serve):
    second = Channel()
    connection = serve(Channel(StreamLostError("lost")), second)

    connection.publish({"body": "x"}, timeout=WAIT_S)

    assert [message["body"] for message in second.done] == ["x"]


def test_a_sender_hears_what_the_broker_has_against_its_message(serve):
    connection = serve(Channel(ChannelClosedByBroker(404, "no exchange")), Channel())

    with pytest.raises(ChannelClosedByBroker):
        connection.publish({"body": "x"}, timeout=WAIT_S)


def test_quorum_queues_are_deleted_without_a_condition(serve):
    channel = Channel()

    serve(channel).channel_method("queue_delete", queue="q", if_empty=True, timeout=WAIT_S)

    assert channel.done == [{"queue": "q"}]


def test_closing_wakes_the_thread_that_serves_the_connection():
    """Otherwise each workflow ends at the next pulse, up to a second late."""
    connection = Connection(Channel())
    link = connection._pika_connection = Link()

    connection.close(wait=False)

    assert link.woken.is_set()


class Looked(dict[str, object]):
    """What is looked into while the other thread comes along."""

    def __init__(self, meanwhile):
        super().__init__()
        self.meanwhile = meanwhile

    def __contains__(self, key):
        found = super().__contains__(key)
        other, self.meanwhile = self.meanwhile, None
        if other is not None:
            other.start()
            other.join(0.2)  # one that must wait for this thread is still there
        return found


class Handler(PairingHandler):
    """Notes whom it gave an answer."""

    def __init__(self):
        super().__init__(SimpleNamespace(amqp_handlers=set(), execution_id="e"))
        self._connection = SimpleNamespace(channel_method=lambda *_, **__: None)
        self.answered = []

    def _task_callback(self, task, _response):
        self.answered.append(task.id)

    def tell(self):
        channel = SimpleNamespace(basic_ack=lambda _tag: None)
        method, properties = SimpleNamespace(delivery_tag=1), SimpleNamespace(correlation_id="a")
        self.process(channel, method, properties, b'{"ok": true}')


@pytest.mark.parametrize("first", ["task", "answer"])
def test_an_answer_finds_its_task_although_both_come_at_once(first):
    """In the original's handler each thread looks before the other has noted its part."""
    handler, task = Handler(), SimpleNamespace(id="a")
    wait = threading.Thread(target=handler.wait_for_task, args=(task,))
    tell = threading.Thread(target=handler.tell)
    if first == "task":
        handler._responses = Looked(meanwhile=tell)
        wait.start()
    else:
        handler._tasks = Looked(meanwhile=wait)
        tell.start()

    for thread in (wait, tell):
        while thread.ident is None:
            threading.Event().wait(0.01)
        thread.join(WAIT_S)

    assert handler.answered == ["a"]


def test_an_answer_that_is_here_is_given_at_once():
    handler = Handler()
    handler.tell()

    handler.wait_for_task(SimpleNamespace(id="a"))

    assert handler.answered == ["a"]
