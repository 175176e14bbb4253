"""What a RabbitMQ node needs to know, read from config.yaml."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from installer.config.hardening_rules import is_strict
from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.secrets import Secret

# RabbitMQ 4 lets a member start a cluster alone after so many rounds of looking for others, each
# of which takes seconds: so many that systemd restarts it before. 3.10 elects by a lock, and its
# holder spends all rounds before the others may go on.
_DISCOVERY_ROUNDS = {"bookworm": 10}
_MANY_ROUNDS = 120
_STRICT_CIPHERS = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_MAX_REPLICAS = 3  # more cost writes and survive nothing that matters: one broker may fail


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A broker of the cluster: the host part of its Erlang name and where it is reached."""

    name: str
    address: str

    @property
    def erlang_address(self) -> str | None:
        """Return the address as an Erlang tuple; None for a host name, left to the system."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return None
        if address.version == 4:
            return "{" + ",".join(str(byte) for byte in address.packed) + "}"
        return "{" + ",".join(f"16#{group}" for group in address.exploded.split(":")) + "}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy of the virtual host `/`."""

    name: str
    pattern: str
    priority: int
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTls:
    """The node's certificate with its key, and the CA that it trusts, as PEM."""

    certificate: bytes
    key: bytes
    ca: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """One RabbitMQ node; a single broker is a cluster with one member."""

    name: str  # the host part of the Erlang node name
    members: tuple[Member, ...]  # this one included
    username: str
    password: Secret
    cookie: Secret | None  # None on a single broker: the package makes one
    tls: QueueTls
    policies: tuple[Policy, ...] = ()
    use_long_names: bool = False
    has_ipv6: bool = False
    fd_limit: int = 102400
    discovery_rounds: int = _MANY_ROUNDS  # half a second apart
    client_port: int = 5671
    management_port: int = 15671
    distribution_port: int = 25672
    disk_free_limit_bytes: int = 2_000_000_000  # room to drain queues before the disk is full
    inter_node_tls_versions: tuple[str, ...] = ("tlsv1.3", "tlsv1.2")
    tls_versions: tuple[str, ...] = ("tlsv1.3", "tlsv1.2")  # towards clients
    ciphers: tuple[str, ...] = (  # forward secrecy and authenticated encryption only
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    )

    @property
    def peers(self) -> tuple[Member, ...]:
        """Return the other members."""
        return tuple(member for member in self.members if member.name != self.name)

    @property
    def replicas(self) -> int:
        """Return how many brokers hold a quorum queue."""
        return min(_MAX_REPLICAS, len(self.members))

    @property
    def partition_handling(self) -> str:
        """Return what brokers do when they lose sight of each other.

        Two brokers have no minority: pausing would stop both.
        Source: RabbitMQ, "Clustering and Network Partitions".
        """
        return "pause_minority" if len(self.members) > 2 else "ignore"

    @property
    def distribution_protocol(self) -> str:
        """Return Erlang's carrier between brokers: TLS over IPv4, or IPv6 where all use that."""
        only_ipv6 = all(":" in member.address for member in self.members)
        return "inet6_tls" if only_ipv6 else "inet_tls"


def queue_settings(inputs: NodeInputs, facts: NodeFacts) -> QueueSettings:
    """Return the settings of this node's broker."""
    rabbitmq = inputs.config["rabbitmq"]
    name = rabbitmq["nodename"] or inputs.name
    members = _members(rabbitmq, Member(name=name, address=inputs.config["manager"]["private_ip"]))
    cookie = rabbitmq["erlang_cookie"]
    settings = QueueSettings(
        name=name,
        members=members,
        username=rabbitmq["username"],
        password=Secret(rabbitmq["password"]),
        cookie=Secret(cookie) if cookie else None,
        tls=QueueTls(
            certificate=inputs.read(rabbitmq["cert_path"]),
            key=inputs.read(rabbitmq["key_path"]),
            ca=inputs.read(rabbitmq["ca_path"]),
        ),
        policies=tuple(_policy(policy) for policy in rabbitmq["policies"]),
        use_long_names=rabbitmq["use_long_name"] or any("." in member.name for member in members),
        has_ipv6=facts.has_ipv6,
        fd_limit=rabbitmq["fd_limit"],
        discovery_rounds=_DISCOVERY_ROUNDS.get(facts.release, _MANY_ROUNDS),
    )
    if is_strict(inputs.config):
        return replace(settings, tls_versions=("tlsv1.3",), ciphers=_STRICT_CIPHERS)
    return settings


def _members(rabbitmq: Mapping[str, Any], alone: Member) -> tuple[Member, ...]:
    named = tuple(
        Member(name=name, address=member["networks"]["default"])
        for name, member in rabbitmq["cluster_members"].items()
    )
    first = rabbitmq["join_cluster"]
    return tuple(sorted(named, key=lambda member: member.name != first)) or (alone,)


def _policy(policy: Mapping[str, Any]) -> Policy:
    return Policy(
        name=policy["name"],
        pattern=policy["expression"],
        priority=policy.get("priority", 0),
        definition=policy["policy"],
    )
