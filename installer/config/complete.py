"""Fill in what a config.yaml leaves out: defaults, and what follows from other keys."""

import socket
from typing import Any

from installer.config.merge import merged, with_defaults
from installer.config.model import Document
from installer.config.schema import config_schema


def complete(document: Document) -> dict[str, Any]:
    """Return the document with defaults, and with what follows from other keys."""
    filled: dict[str, Any] = with_defaults(document, config_schema())
    host_name = filled["manager"]["hostname"] or socket.gethostname()
    named = merged(filled, {"manager": {"hostname": host_name}})
    return merged(named, _derived(named))


def _derived(filled: dict[str, Any]) -> Document:
    manager = filled["manager"]
    own = {"default": manager["private_ip"], "external": manager["public_ip"]}
    postgres = filled["postgresql_server"]["cluster"]["postgres"]
    rewind = postgres["rewind_password"] or postgres["replicator_password"]
    queue = filled["rabbitmq"]
    is_broker = "queue_service" in filled["services_to_install"]
    broker_name = queue["nodename"] or (_broker_name(filled) if is_broker else None)
    return {
        "networks": {name: address for name, address in own.items() if address}
        | filled["networks"],
        "rabbitmq": {"nodename": broker_name},
        "postgresql_server": {"cluster": {"postgres": {"rewind_password": rewind}}},
    }


def _broker_name(filled: dict[str, Any]) -> str:
    host_name: str = filled["manager"]["hostname"]
    return host_name if filled["rabbitmq"]["use_long_name"] else host_name.partition(".")[0]
