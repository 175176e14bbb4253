"""Connect to one broker of the cluster, whichever answers, over TLS."""

import random
import ssl
from collections.abc import Iterator
from pathlib import Path

import pika
from pika.exceptions import AMQPConnectionError

from manager.errors import Unavailable
from manager.settings import RabbitmqSettings

HEARTBEAT_S = 15  # a broker whose host lost its power is noticed within two of them
_ATTEMPT_TIMEOUT_S = 4
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 5.0


def connection_parameters(
    settings: RabbitmqSettings, vhost: str | None = None
) -> list[pika.ConnectionParameters]:
    """Return how to reach each broker, in random order, so that managers spread over them.

    Without a vhost it is the managers' own.
    """
    context = _tls_context(settings.ca_path)
    hosts = random.sample(settings.hosts, len(settings.hosts))
    return [
        pika.ConnectionParameters(
            host=host.address,
            port=settings.port,
            virtual_host=vhost or settings.vhost,
            credentials=pika.PlainCredentials(settings.username, settings.password),
            ssl_options=pika.SSLOptions(context, server_hostname=host.address),
            heartbeat=HEARTBEAT_S,
            blocked_connection_timeout=60,  # a broker without memory or disk takes no messages
            socket_timeout=_ATTEMPT_TIMEOUT_S,
            stack_timeout=2 * _ATTEMPT_TIMEOUT_S,
            connection_attempts=1,
            client_properties={"connection_name": "cloudify-manager"},
        )
        for host in hosts
    ]


def connect(settings: RabbitmqSettings, vhost: str | None = None) -> pika.BlockingConnection:
    """Return a connection to the first broker that answers.

    Raises Unavailable when none does.
    """
    reasons = []
    for parameters in connection_parameters(settings, vhost):
        try:
            return pika.BlockingConnection(parameters)
        except (AMQPConnectionError, OSError) as error:
            reasons.append(f"{parameters.host}:{parameters.port}: {describe(error)}")
    raise Unavailable(f"The message broker is not available: {'; '.join(reasons)}")


def retry_delays() -> Iterator[float]:
    """Yield how long to wait before each further attempt, in seconds, without end."""
    delay_s = _FIRST_DELAY_S
    while True:
        yield delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        delay_s = min(delay_s * 2, _LONGEST_DELAY_S)


def describe(error: Exception) -> str:
    """Return what went wrong in one line: some of pika's errors have no text of their own."""
    inner = [each for each in error.args if isinstance(each, Exception)]
    return str(error) or " ".join(map(repr, inner)) or type(error).__name__


def server_version(connection: pika.BlockingConnection) -> tuple[int, ...]:
    """Return RabbitMQ's version as numbers; what the feature needs is compared with it."""
    text = str(connection._impl.server_properties.get("version", "0"))
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _tls_context(ca_path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca_path))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
