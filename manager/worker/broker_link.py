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


class _WakingQueue(queue.Queue[Any]):
    def __init__(self, connection: PromptConnection) -> None:
        super().__init__()
        self._connection = connection

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        link = self._connection._pika_connection
        if link is not None and link.is_open:
            link.add_callback_threadsafe(lambda: None)


class _Parameters(amqp_client.AMQPParams):  # type: ignore[misc]
    """The original knows no port but RabbitMQ's usual ones."""

    def __init__(self, port: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._amqp_params["port"] = port


@functools.cache
def adapt_broker() -> None:
    """Make cloudify-common's AMQP client use the brokers of manager.yaml."""
    settings = load_settings(settings_path()).rabbitmq
    _configure(settings)
    amqp_client.AMQPParams = functools.partial(_Parameters, settings.port)
    amqp_client.get_client = functools.partial(amqp_client.get_client, cls=PromptConnection)


def _configure(settings: RabbitmqSettings) -> None:
    broker_config.broker_hostname = [host.address for host in settings.hosts]
    broker_config.broker_username = settings.username
    broker_config.broker_password = settings.password
    broker_config.broker_cert_path = str(settings.ca_path)
    broker_config.broker_ssl_enabled = True
    broker_config.broker_heartbeat = HEARTBEAT_S
