"""The exchanges and queues that managers share; docs/explanation/runtime.md draws them."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ChannelClosedByBroker

from manager.broker.connection import server_version

MANAGEMENT = "cloudify.management"
SERVICE = "cloudify-mgmtworker-service"
EVENTS = "cloudify-events-topic"
WORKFLOWS = f"{MANAGEMENT}_workflow"
OPERATIONS = f"{MANAGEMENT}_operation"

_EXCHANGES = {MANAGEMENT: "direct", SERVICE: "fanout", EVENTS: "topic"}
_DAY_MS = 24 * 3600 * 1000
_NOT_FOUND = 404

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A durable quorum queue and what brings messages into it."""

    name: str
    exchange: str
    routing_key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def service_queue(manager: str) -> Queue:
    """Return a manager's own queue, where it hears what concerns all: cancel, ping.

    What it could not hear for an hour is past; a manager that left takes its queue with it.
    """
    return Queue(
        name=f"{SERVICE}-{manager}_service",
        exchange=SERVICE,
        routing_key="service",
        arguments={"x-message-ttl": 3600 * 1000, "x-expires": 7 * _DAY_MS},
    )


def declare_topology(connection: BlockingConnection) -> None:
    """Make what all managers share, if absent: whoever publishes first may do it."""
    with connection.channel() as channel:
        for name, kind in _EXCHANGES.items():
            channel.exchange_declare(name, exchange_type=kind, durable=True)
    for queue in _work_queues(server_version(connection)):
        declare_queue(connection, queue)


def declare_queue(connection: BlockingConnection, queue: Queue) -> None:
    """Make a queue if absent and bind it.

    One that exists stays as it is: its arguments may be those of another version of RabbitMQ.
    """
    channel = connection.channel()
    try:
        channel.queue_declare(queue.name, passive=True)
    except ChannelClosedByBroker as error:
        if error.reply_code != _NOT_FOUND:
            raise
        channel = connection.channel()
        _create(channel, queue)
    channel.queue_bind(queue.name, queue.exchange, queue.routing_key)
    channel.close()


def _create(channel: BlockingChannel, queue: Queue) -> None:
    arguments = {"x-queue-type": "quorum", **queue.arguments}
    channel.queue_declare(queue.name, durable=True, arguments=arguments)
    logger.info("declared queue %s", queue.name)


def _work_queues(version: tuple[int, ...]) -> Iterator[Queue]:
    # A workflow is acknowledged when it ends, which may be days later. Source: RabbitMQ,
    # "Consumers", "Delivery Acknowledgement Timeout": a queue's own limit exists since 3.12.
    arguments: dict[str, Any] = {"x-consumer-timeout": 30 * _DAY_MS}
    if version >= (4, 0):
        # 4.0 drops a message at its 21st delivery. Ours come back at each loss of a connection.
        arguments["x-delivery-limit"] = -1
    for name, routing_key in ((WORKFLOWS, "workflow"), (OPERATIONS, "operation")):
        yield Queue(name=name, exchange=MANAGEMENT, routing_key=routing_key, arguments=arguments)
