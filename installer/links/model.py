"""A listener and a link as plain values; certificates are named by the config keys that hold them.

Of the same node's `NodeInputs` a key path gives the path of the file, and `read` its bytes.
"""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from installer.config.source import KeyPath
from installer.inventory import Role

EVERY_ADDRESS = ""  # of the node, in each address family
LOOPBACK = "127.0.0.1"


class Outside(StrEnum):
    """Who connects without being a node of the cluster."""

    CLIENT = "client"
    AGENT = "agent"
    CONTROLLER = "controller"


class Service(StrEnum):
    """What is spoken over a link, in an operator's words."""

    SSH = "SSH"
    ETCD = "etcd"
    ETCD_PEER = "etcd peer"
    POSTGRESQL = "PostgreSQL"
    PATRONI = "Patroni REST"
    EPMD = "epmd"
    RABBITMQ = "RabbitMQ"
    INTER_BROKER = "inter-broker"
    BROKER_MANAGEMENT = "RabbitMQ management"
    HTTP = "HTTP"
    HTTPS = "HTTPS"
    REST = "REST"  # gunicorn behind nginx
    SYNCTHING = "syncthing"
    SYNCTHING_API = "syncthing API"
    VRRP = "VRRP"


class Transport(StrEnum):
    """What carries a link."""

    TCP = "tcp"
    VRRP = "vrrp"  # IP protocol 112; it has no ports


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where config.yaml names a certificate and its key."""

    section: KeyPath
    prefix: str = ""

    @property
    def certificate_key(self) -> KeyPath:
        """Return the key that holds the path of the certificate."""
        return (*self.section, f"{self.prefix}cert_path")

    @property
    def key_key(self) -> KeyPath:
        """Return the key that holds the path of the private key."""
        return (*self.section, f"{self.prefix}key_path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A port that a service of a node holds; `trust` is the CA that clients are verified with."""

    node: str
    role: Role
    service: Service
    port: int
    bind: str  # an address, EVERY_ADDRESS or LOOPBACK
    transport: Transport = Transport.TCP
    certificate: Certificate | None = None  # None: no TLS
    trust: KeyPath | None = None
    demands_certificate: bool = False

    @property
    def is_loopback(self) -> bool:
        """Tell whether no other machine reaches it."""
        return self.bind == LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What the source of a link wants of TLS: whom it trusts, which name, what it shows itself."""

    trust: KeyPath | None  # None: whoever the system trusts
    server_name: str | None  # None: the certificate is pinned, its names do not count
    client: Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A connection that the cluster needs; its target may be no node but an external service."""

    source: str  # a node, or of Outside
    source_role: Role | None
    target: str  # a node, or the name of an external service
    target_role: Role | None
    address: str
    port: int  # 0 where the transport has none
    service: Service
    transport: Transport = Transport.TCP
    tls: Tls | None = None
    is_external: bool = False

    @property
    def family(self) -> int | None:
        """Return 4 or 6; None for a host name, which the source resolves."""
        try:
            return ipaddress.ip_address(self.address).version
        except ValueError:
            return None

    @property
    def is_between_nodes(self) -> bool:
        """Tell whether it leads from one node of the cluster to another."""
        return not (self.is_external or self.is_from_outside or self.source == self.target)

    @property
    def is_from_outside(self) -> bool:
        """Tell whether no node of the cluster is its source."""
        return self.source in tuple(Outside)

    @property
    def is_tls(self) -> bool:
        """Tell whether it is encrypted by TLS."""
        return self.tls is not None
