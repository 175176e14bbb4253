import copy
from collections.abc import Callable
from typing import Any

import pytest

from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.roles.loadbalancer.settings import LoadBalancerSettings, loadbalancer_settings

CONFIG: dict[str, Any] = {
    "manager": {"private_ip": "10.0.0.41"},
    "loadbalancer": {
        "managers": {"m-1": {"address": "10.0.0.31"}, "m-2": {"address": "10.0.0.32"}},
        "cert_path": "node.crt",
        "key_path": "node.key",
        "ca_path": "ca.crt",
        "virtual_ip": None,
        "interface": None,
        "vrrp_password": "",
        "peers": {},
    },
}
PAIR = {
    "virtual_ip": "10.0.0.40",
    "vrrp_password": "vrrp-pw1",
    "peers": {"lb-2": {"address": "10.0.0.42"}},
}

BalancerFactory = Callable[..., LoadBalancerSettings]


@pytest.fixture
def balancer() -> BalancerFactory:
    """Return a maker of settings; its keywords replace keys of the section `loadbalancer`."""

    def make(name: str = "lb-1", *, has_ipv6: bool = False, **changed: Any) -> LoadBalancerSettings:
        config = copy.deepcopy(CONFIG)
        config["loadbalancer"] |= changed
        inputs = NodeInputs(name=name, config=config, read=lambda path: f"<{path}>\n".encode())
        return loadbalancer_settings(inputs, NodeFacts(has_ipv6=has_ipv6))

    return make


@pytest.fixture
def pair(balancer: BalancerFactory) -> BalancerFactory:
    """Return a maker of the settings of one of two load balancers with a virtual address."""
    return lambda name="lb-1", **changed: balancer(name, **{**PAIR, **changed})
