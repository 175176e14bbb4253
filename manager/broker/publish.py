"""Publish messages so that they are stored by a majority of brokers when the call returns."""

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Protocol

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError, NackError, UnroutableError

from manager.broker.connection import connect, describe, retry_delays
from manager.broker.topology import declare_topology
from manager.errors import ManagerError, Unavailable
from manager.settings import RabbitmqSettings

_CONFIRM_TIMEOUT_S = 20.0  # a broker's loss takes two heartbeats to notice, rarely that long
_PULSE_S = 5.0  # how often an idle connection answers heartbeats

logger = logging.getLogger(__name__)


class Unroutable(ManagerError):
    """No queue takes the message: whoever wanted it is gone."""


class Publisher(Protocol):
    """What REST and the worker need of the broker to send something."""

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: Mapping[str, Any],
        *,
        vhost: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Return when the message is stored; raise Unavailable or Unroutable if it is not.

        Without a vhost it goes to the managers' own.
        """


class ConfirmedPublisher:
    """Publishes from any thread, over one connection for each virtual host.

    It connects at the first message, so it may be made before a fork; it follows brokers that come
    and go. A message may arrive twice when a connection breaks before its confirmation.
    """

    def __init__(self, settings: RabbitmqSettings) -> None:
        self._settings = settings
        self._links: dict[tuple[int, str | None], _Link] = {}
        self._lock = threading.Lock()

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: Mapping[str, Any],
        *,
        vhost: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Do what Publisher.publish promises."""
        message = _Message(exchange, routing_key, json.dumps(body).encode(), correlation_id)
        self._link(vhost).send(message)
        try:
            message.stored.result(timeout=_CONFIRM_TIMEOUT_S)
        except TimeoutError as error:
            message.stored.cancel()
            raise Unavailable("The message broker did not confirm a message in time") from error

    def close(self) -> None:
        """Close this process's connections."""
        with self._lock:
            links, self._links = self._links, {}
        for (pid, _), link in links.items():
            if pid == os.getpid():
                link.close()

    def _link(self, vhost: str | None) -> "_Link":
        key = (os.getpid(), vhost)  # a connection is no use to a forked process
        with self._lock:
            if key not in self._links:
                self._links[key] = _Link(self._settings, vhost)
            return self._links[key]


@dataclass(slots=True)
class _Message:
    exchange: str
    routing_key: str
    body: bytes
    correlation_id: str | None
    stored: "Future[None]" = field(default_factory=Future)

    def publish(self, channel: BlockingChannel) -> None:
        properties = pika.BasicProperties(
            delivery_mode=pika.DeliveryMode.Persistent, correlation_id=self.correlation_id
        )
        channel.basic_publish(
            self.exchange, self.routing_key, self.body, properties, mandatory=True
        )


class _Link:
    """One connection and the thread that owns it: pika's connections belong to one thread."""

    def __init__(self, settings: RabbitmqSettings, vhost: str | None) -> None:
        self._settings = settings
        self._vhost = vhost
        self._waiting: deque[_Message] = deque()
        self._connection: BlockingConnection | None = None
        self._work = threading.Event()
        self._closing = False
        self._thread = threading.Thread(
            target=self._run, name=f"publish {vhost or ''}", daemon=True
        )
        self._thread.start()

    def send(self, message: _Message) -> None:
        self._waiting.append(message)
        self._wake()

    def close(self) -> None:
        self._closing = True
        self._wake()
        self._thread.join(timeout=_PULSE_S)

    def _wake(self) -> None:
        self._work.set()
        connection = self._connection
        if connection is not None and connection.is_open:
            try:
                connection.add_callback_threadsafe(lambda: None)
            except AMQPError:  # it has just closed: its thread sees that and the message
                logger.debug("the connection closed while a message was handed over")

    def _run(self) -> None:
        delays = retry_delays()
        while not self._closing:
            self._work.wait()  # without messages there is nothing to connect for
            try:
                self._serve()
            except Unavailable as error:
                self._refuse(error)
                logger.warning("%s", error)
            except (AMQPError, OSError) as error:
                logger.warning("lost the connection to the broker: %s", describe(error))
            else:
                delays = retry_delays()
            if not self._closing:
                self._connection = None
                threading.Event().wait(next(delays))

    def _serve(self) -> None:
        connection = connect(self._settings, self._vhost)
        try:
            if self._vhost is None:
                declare_topology(connection)
            channel = connection.channel()
            channel.confirm_delivery()
            self._connection = connection
            while not self._closing:
                self._work.clear()
                self._publish_waiting(channel)
                connection.process_data_events(_PULSE_S)
        finally:
            if connection.is_open:
                connection.close()

    def _publish_waiting(self, channel: BlockingChannel) -> None:
        while self._waiting:
            message = self._waiting[0]
            if not message.stored.cancelled():
                _settle(message, channel)
            self._waiting.popleft()

    def _refuse(self, error: Unavailable) -> None:
        """Tell those who wait now; what comes later is another attempt."""
        self._work.clear()
        while self._waiting:
            _finish(self._waiting.popleft(), error)


def _settle(message: _Message, channel: BlockingChannel) -> None:
    try:
        message.publish(channel)
    except UnroutableError:
        what = f"no queue takes {message.routing_key!r} of {message.exchange!r}"
        _finish(message, Unroutable(what))
    except NackError:
        _finish(message, Unavailable("The message broker refused a message"))
    else:
        _finish(message)


def _finish(message: _Message, error: ManagerError | None = None) -> None:
    try:
        message.stored.set_exception(error) if error else message.stored.set_result(None)
    except InvalidStateError:
        logger.warning("the sender of a message gave up before its outcome was known")
