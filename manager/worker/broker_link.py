"""How workflows of cloudify-common reach the brokers; operations do not, nor hold the password."""

import functools
import queue
from typing import Any

from cloudify import amqp_client, broker_config

from manager.broker.connection import HEARTBEAT_S
from manager.settings import RabbitmqSettings, settings_path
from manager.settings_file import load_settings


class PromptConnection(amqp_client.AMQPConnection):  # type: ignore[misc]
    """An AMQP connection that sends at once; the original's looks every 50 ms for what to send."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connection_tasks_queue = _WakingQueue(self)

    def channel_method(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Do what the original does; quorum queues refuse to be deleted on a condition."""
        if method == "queue_delete":
            kwargs.pop("if_empty", None)
        return super().channel_method(method, *args, **kwargs)


class _WakingQueue(queue.Queue[Any]):
    def __init__(self, connection: PromptConnection) -> None:
        super().__init__()
        self._connection = connection

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        link = self._connection._pika_connection
        if link is not None and link.is_open:
            link.add_callback_threadsafe(lambda: None)


@functools.cache
def adapt_broker() -> None:
    """Make cloudify-common's AMQP client use the brokers of manager.yaml."""
    settings = load_settings(settings_path()).rabbitmq
    _configure(settings)
    amqp_client.get_client = functools.partial(amqp_client.get_client, cls=PromptConnection)


def _configure(settings: RabbitmqSettings) -> None:
    broker_config.broker_hostname = [host.address for host in settings.hosts]
    broker_config.broker_username = settings.username
    broker_config.broker_password = settings.password
    broker_config.broker_cert_path = str(settings.ca_path)
    broker_config.broker_ssl_enabled = True
    broker_config.broker_heartbeat = HEARTBEAT_S
    type(broker_config).broker_port = settings.port  # it knows no port but RabbitMQ's usual ones
