"""How workflows of cloudify-common reach the brokers; operations do not, nor hold the password."""

import functools
import logging
import queue
import threading
from typing import Any

from cloudify import amqp_client, broker_config
from cloudify.workflows import amqp_dispatcher
from pika.exceptions import AMQPConnectionError, AMQPError

from manager.broker.connection import HEARTBEAT_S, describe
from manager.settings import RabbitmqSettings, settings_path
from manager.settings_file import load_settings

_PULSE_S = 1.0
_AGAIN_S = 0.2  # after a loss; while no broker answers, the original's pauses grow

logger = logging.getLogger(__name__)


class PromptConnection(amqp_client.AMQPConnection):  # type: ignore[misc]
    """An AMQP connection that sends at once and outlives brokers.

    The original's looks every 50 ms for what to send.
    """

    MAX_BACKOFF = 5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connection_tasks_queue = _WakingQueue(self)
        self._ended = threading.Event()

    def consume(self) -> None:
        """Serve the connection until it is closed; make a new one whenever it is lost.

        The original's thread ends, and its workflow waits for ever, when a stream or a channel
        breaks, when a broker goes while a connection is made ready, or when none answers for ten
        seconds.
        """
        self._ended.clear()
        while not self._ended.is_set():
            try:
                self._serve(self.connect())
            except AMQPError as error:
                logger.warning("the brokers' connection broke: %s", describe(error))
                self.connect_wait.clear()
            self._leave()
            self._ended.wait(_AGAIN_S)

    def close(self, wait: bool = True) -> None:
        """Close at once, not at the next pulse: each workflow waits for it.

        The original forgets that it was closed when it has just connected.
        """
        self._closed = True
        self._ended.set()
        self._connection_tasks_queue.wake()
        super().close(wait)

    def _serve(self, channel: Any) -> None:
        while not self._ended.is_set():
            self._pika_connection.process_data_events(_PULSE_S)
            self._process_publish(channel)
        self._process_publish(channel)

    def _leave(self) -> None:
        """Close what is open yet: only a channel broke, or it was never ready, or all is done."""
        try:
            if self._pika_connection is not None and self._pika_connection.is_open:
                self._pika_connection.close()
        except AMQPError as error:
            logger.info("the brokers' connection broke at its end: %s", describe(error))

    def _process_publish(self, channel: Any) -> None:
        """Do what threads have handed over; what meets a lost connection is done on the next."""
        while True:
            try:
                envelope = self._connection_tasks_queue.get_nowait()
            except queue.Empty:
                return
            try:
                _answer(envelope, self._perform(envelope, channel))
            except AMQPConnectionError:
                if not self._ended.is_set():
                    self._connection_tasks_queue.put(envelope)
                raise
            except Exception as error:
                _answer(envelope, error)
                if isinstance(error, AMQPError):
                    raise

    def _perform(self, envelope: Any, channel: Any) -> Any:
        method, message = envelope["method"], envelope["message"]
        if callable(method):
            return method(self, channel, **message)
        return getattr(envelope["channel"] or channel, method)(**message)

    def channel_method(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Do what the original does; quorum queues refuse to be deleted on a condition."""
        if method == "queue_delete":
            kwargs.pop("if_empty", None)
        return super().channel_method(method, *args, **kwargs)


class PairingHandler(amqp_dispatcher._WorkflowTaskHandler):  # type: ignore[misc]
    """Brings answers to the tasks that wait for them, whichever comes first.

    A resumed workflow is told old answers while it still names its tasks. In the original each of
    the two threads may look before the other has noted its part; the task then waits for ever.
    """

    def __init__(self, workflow_ctx: Any) -> None:
        super().__init__(workflow_ctx)
        self._pairing = threading.Lock()

    def wait_for_task(self, task: Any) -> None:
        """Note that a task waits, or give it the answer that is here."""
        with self._pairing:
            if task.id not in self._responses:
                self._tasks[task.id] = task
                return
        super().wait_for_task(task)

    def process(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """Give an answer to its task, or keep it until the task asks."""
        with self._pairing:
            if properties.correlation_id not in self._tasks:
                super().process(channel, method, properties, body)
                return
        super().process(channel, method, properties, body)


def _answer(envelope: Any, result: Any) -> None:
    if envelope["response_queue"] is not None:
        envelope["response_queue"].put(result)


class _WakingQueue(queue.Queue[Any]):
    def __init__(self, connection: PromptConnection) -> None:
        super().__init__()
        self._connection = connection

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self.wake()

    def wake(self) -> None:
        """Have the connection's thread look at what there is."""
        link = self._connection._pika_connection
        if link is not None and link.is_open:
            try:
                link.add_callback_threadsafe(lambda: None)
            except AMQPError:
                logger.debug("the connection has just closed; its thread sees that")


@functools.cache
def adapt_broker() -> None:
    """Make cloudify-common's AMQP client use the brokers of manager.yaml."""
    settings = load_settings(settings_path()).rabbitmq
    _configure(settings)
    amqp_dispatcher._WorkflowTaskHandler = PairingHandler
    amqp_client.get_client = functools.partial(
        amqp_client.get_client, cls=PromptConnection, connect_timeout=None
    )


def _configure(settings: RabbitmqSettings) -> None:
    broker_config.broker_hostname = [host.address for host in settings.hosts]
    broker_config.broker_username = settings.username
    broker_config.broker_password = settings.password
    broker_config.broker_cert_path = str(settings.ca_path)
    broker_config.broker_ssl_enabled = True
    broker_config.broker_vhost = settings.vhost
    broker_config.broker_heartbeat = HEARTBEAT_S
    type(broker_config).broker_port = settings.port  # it knows no port but RabbitMQ's usual ones
