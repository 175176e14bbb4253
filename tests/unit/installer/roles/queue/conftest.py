import copy
from collections.abc import Callable
from typing import Any

import pytest

from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.roles.queue.settings import QueueSettings, queue_settings

MEMBERS = {"mq-1": "10.0.0.21", "mq-2": "10.0.0.22", "mq-3": "10.0.0.23"}
CONFIG: dict[str, Any] = {
    "manager": {"private_ip": "10.0.0.22"},
    "rabbitmq": {
        "username": "cloudify",
        "password": "pass-word-1",
        "cluster_members": {
            name: {"networks": {"default": address}} for name, address in MEMBERS.items()
        },
        "cert_path": "/etc/cloudify/ssl/node.crt",
        "key_path": "/etc/cloudify/ssl/node.key",
        "ca_path": "/etc/cloudify/ssl/ca.crt",
        "nodename": "mq-2",
        "join_cluster": None,
        "erlang_cookie": "cookie-of-the-cluster",
        "use_long_name": False,
        "fd_limit": 102400,
        "is_external": False,
        "policies": [
            {
                "name": "logs",
                "expression": "^cloudify-log$",
                "priority": 100,
                "policy": {"max-length": 1000000},
            }
        ],
    },
}

QueueFactory = Callable[..., QueueSettings]


@pytest.fixture
def queue() -> QueueFactory:
    """Return a maker of settings; its keywords replace keys of the section `rabbitmq`."""

    def make(release: str = "trixie", *, has_ipv6: bool = False, **changed: Any) -> QueueSettings:
        config = copy.deepcopy(CONFIG)
        config["rabbitmq"] |= changed
        inputs = NodeInputs(name="host-2", config=config, read=lambda path: path.encode())
        return queue_settings(inputs, NodeFacts(release=release, has_ipv6=has_ipv6))

    return make
