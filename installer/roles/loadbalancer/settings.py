"""What a load balancer needs to know, read from config.yaml."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from installer.config.hardening_rules import is_strict
from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.secrets import Secret

TLS_FOLDER = "/etc/haproxy/tls"
_TOP_PRIORITY = 150
_STRICT_CIPHERSUITES = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
_CHECK = "check check-ssl alpn http/1.1 check-sni "
_TRACK = "track clients/"  # one check tells both ports: the same nginx serves them


@dataclass(frozen=True, slots=True)
class Backend:
    """A manager behind the load balancer; its certificate is made out to its name."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that is served, and the same port of the managers behind it."""

    name: str
    port: int
    check: str  # how HAProxy knows that a manager works, up to the manager's name


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualAddress:
    """The address that load balancers share by VRRP."""

    name: str
    own: str
    virtual_ip: str
    interface: str | None  # None: the one of `own`, found when keepalived starts
    password: Secret
    peers: tuple[str, ...]
    priority: int

    @property
    def router_id(self) -> int:
        """Return the number that tells this group from others on the network, 1 to 255."""
        return ipaddress.ip_address(self.virtual_ip).packed[-1] or 255

    @property
    def told(self) -> tuple[str, ...]:
        """Return who is told that this one has the address; alone, it tells itself.

        Without peers keepalived would tell by multicast, and lose the address for seconds when a
        peer comes or goes.
        """
        return self.peers or ("127.0.0.1" if self.is_ipv4 else "::1",)

    @property
    def is_ipv4(self) -> bool:
        """Tell whether VRRP knows passwords: it does not for IPv6."""
        return ipaddress.ip_address(self.virtual_ip).version == 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerSettings:
    """One HAProxy in front of the managers, and its part of the virtual address."""

    managers: tuple[Backend, ...]
    certificate: bytes
    key: bytes
    ca: bytes
    virtual_address: VirtualAddress | None = None
    has_ipv6: bool = False
    listeners: tuple[Listener, ...] = (
        Listener("clients", 443, _CHECK),
        Listener("agents", 53333, _TRACK),
    )
    server_connections: int = 100  # of the cluster guide's example
    certificate_path: str = f"{TLS_FOLDER}/node.pem"
    ca_path: str = f"{TLS_FOLDER}/ca.crt"
    # forward secrecy and authenticated encryption only
    ciphers: str = (
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
        "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    )
    min_tls: str = "TLSv1.2"
    ciphersuites: str = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"


def loadbalancer_settings(inputs: NodeInputs, facts: NodeFacts) -> LoadBalancerSettings:
    """Return the settings of this node's load balancer."""
    section = inputs.config["loadbalancer"]
    settings = LoadBalancerSettings(
        managers=tuple(
            Backend(name, manager["address"]) for name, manager in section["managers"].items()
        ),
        certificate=inputs.read(section["cert_path"]),
        key=inputs.read(section["key_path"]),
        ca=inputs.read(section["ca_path"]),
        has_ipv6=facts.has_ipv6,
    )
    if is_strict(inputs.config):
        settings = replace(settings, min_tls="TLSv1.3", ciphersuites=_STRICT_CIPHERSUITES)
    if not section["virtual_ip"]:
        return settings
    return replace(settings, virtual_address=_virtual_address(inputs, section))


def _virtual_address(inputs: NodeInputs, section: Mapping[str, Any]) -> VirtualAddress:
    peers = section["peers"]
    order = sorted([inputs.name, *peers])
    return VirtualAddress(
        name=inputs.name,
        own=inputs.config["manager"]["private_ip"],
        virtual_ip=section["virtual_ip"],
        interface=section["interface"],
        password=Secret(section["vrrp_password"]),
        peers=tuple(peer["address"] for peer in peers.values()),
        priority=_TOP_PRIORITY - order.index(inputs.name),
    )
