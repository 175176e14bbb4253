"""Consume queues: messages are handed to handlers, and acknowledged when those say so."""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from manager.broker.connection import connect, describe, retry_delays
from manager.broker.topology import Queue, declare_queue, declare_topology
from manager.errors import Unavailable
from manager.settings import RabbitmqSettings

_PULSE_S = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that waits to be acknowledged; its connection may be gone by then."""

    body: Mapping[str, Any]
    reply_to: str | None
    correlation_id: str | None
    is_redelivered: bool
    _tag: int
    _channel: BlockingChannel

    def acknowledge(self) -> None:
        """Let the broker forget the message; without a connection it delivers it once more."""
        self._later(lambda: self._channel.basic_ack(self._tag))

    def give_back(self) -> None:
        """Let another consumer have the message."""
        self._later(lambda: self._channel.basic_nack(self._tag, requeue=True))

    def _later(self, action: Callable[[], None]) -> None:
        try:
            self._channel.connection.add_callback_threadsafe(lambda: _unless_closed(action))
        except AMQPError as error:
            logger.info("a message will be delivered again: %s", describe(error))


Handler = Callable[[Delivery], None]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A queue, how many of its messages may be unacknowledged, and what takes them.

    The handler is called by the connection's thread and must return at once.
    """

    queue: Queue | str
    most: int
    handle: Handler


class Consumer:
    """Consumes queues over one connection, from one thread, until it is stopped."""

    def __init__(self, settings: RabbitmqSettings, subscriptions: Sequence[Subscription]) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self._channels: dict[str, BlockingChannel] = {}
        self._connection: BlockingConnection | None = None
        self._stopping = threading.Event()
        self.is_consuming = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consume", daemon=True)

    def start(self) -> None:
        """Begin to consume, as soon as a broker answers."""
        self._thread.start()

    def cancel(self) -> None:
        """Take no more messages; those that were taken can still be acknowledged."""
        self._in_thread(self._cancel_all)

    def stop(self) -> None:
        """Close the connection: what is not acknowledged goes to other consumers."""
        self._stopping.set()
        self._in_thread(lambda: None)
        self._thread.join(timeout=2 * _PULSE_S)

    def fetch_one(self, subscription: Subscription) -> None:
        """Take one message more than the subscription's limit, if there is one."""
        self._in_thread(lambda: self._fetch(subscription))

    def _fetch(self, subscription: Subscription) -> None:
        channel = self._channels.get(_name(subscription.queue))
        if channel is not None and channel.is_open:
            method, properties, body = channel.basic_get(_name(subscription.queue))
            if method is not None:
                _hand_over(subscription, channel, method, properties, body)

    def _cancel_all(self) -> None:
        for channel in self._channels.values():
            for tag in channel.consumer_tags:
                channel.basic_cancel(tag)

    def _in_thread(self, action: Callable[[], None]) -> None:
        connection = self._connection
        if connection is not None and connection.is_open:
            try:
                connection.add_callback_threadsafe(lambda: _unless_closed(action))
            except AMQPError as error:
                logger.info("the broker's connection is closed: %s", describe(error))

    def _run(self) -> None:
        delays = retry_delays()
        while not self._stopping.is_set():
            try:
                self._consume()
                delays = retry_delays()
            except (AMQPError, OSError, Unavailable) as error:
                if self.is_consuming.is_set():
                    delays = retry_delays()
                logger.warning("not consuming: %s", describe(error))
            finally:
                self.is_consuming.clear()
            self._stopping.wait(next(delays))

    def _consume(self) -> None:
        connection = self._connection = connect(self._settings)
        try:
            declare_topology(connection)
            for subscription in self._subscriptions:
                self._subscribe(connection, subscription)
            self.is_consuming.set()
            while not self._stopping.is_set():
                connection.process_data_events(_PULSE_S)
        finally:
            if connection.is_open:
                connection.close()

    def _subscribe(self, connection: BlockingConnection, subscription: Subscription) -> None:
        if isinstance(subscription.queue, Queue):
            declare_queue(connection, subscription.queue)
        name = _name(subscription.queue)
        channel = self._channels[name] = connection.channel()
        channel.basic_qos(prefetch_count=subscription.most)
        channel.basic_consume(
            name, lambda *message: _hand_over(subscription, *message), auto_ack=False
        )


def _hand_over(
    subscription: Subscription,
    channel: BlockingChannel,
    method: Basic.Deliver | Basic.GetOk,
    properties: BasicProperties,
    body: bytes,
) -> None:
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        logger.error("%s: dropped a message that is no JSON object", _name(subscription.queue))
        channel.basic_ack(method.delivery_tag)
        return
    subscription.handle(
        Delivery(
            body=content,
            reply_to=properties.reply_to,
            correlation_id=properties.correlation_id,
            is_redelivered=bool(method.redelivered),
            _tag=method.delivery_tag,
            _channel=channel,
        )
    )


def _name(queue: Queue | str) -> str:
    return queue.name if isinstance(queue, Queue) else queue


def _unless_closed(action: Callable[[], None]) -> None:
    try:
        action()
    except AMQPError as error:  # the broker has given the message to somebody else
        logger.info("the broker's connection is closed: %s", describe(error))
