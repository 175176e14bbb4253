"""The times that decide how long an outage lasts, as the cluster's own files will say them.

They are read from what the roles render for this inventory, so a changed template, setting or
default changes the forecast too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from installer.cluster_secrets import provisional_secrets
from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.expand import expand
from installer.inventory import Inventory, Role
from installer.roles.database.cluster_config import cluster_config
from installer.roles.database.settings import database_settings
from installer.roles.loadbalancer.settings import loadbalancer_settings
from installer.roles.queue.settings import queue_settings
from installer.templates import render

# etcd, "Tuning": the defaults, where etcd.yml says nothing
_HEARTBEAT_MS, _ELECTION_MS = 100, 1000
_UNITS_S = {"": 0.001, "us": 1e-6, "ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseTimes:
    """Patroni's and etcd's times, and what they may lose."""

    ttl_s: float
    loop_wait_s: float
    retry_timeout_s: float
    primary_start_timeout_s: float
    max_lag_bytes: int
    synchronous_mode: str  # on, strict, off
    failsafe: bool
    sender_timeout_s: float = 60  # PostgreSQL's own; 0: a silent replica is never given up
    heartbeat_s: float = _HEARTBEAT_MS / 1000
    election_s: float = _ELECTION_MS / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTimes:
    """How brokers notice that one of them is gone."""

    idle_s: float  # before the kernel asks a silent peer for a sign of life
    silence_s: float  # after which a connection between brokers ends
    pauses_minority: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerTimes:
    """How HAProxy notices that a manager is gone or back, and what a request waits for."""

    inter_s: float
    fastinter_s: float
    fall: int
    rise: int
    check_timeout_s: float
    connect_timeout_s: float
    dead_s: float  # silence after which a request in flight goes to another manager


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressTimes:
    """How load balancers notice that the holder of their address is gone."""

    advert_s: float
    priority: int  # of the one that takes over last
    check_interval_s: float
    check_timeout_s: float
    check_fall: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTimes:
    """How managers notice that what they are connected to is gone; a contract test holds them."""

    database_connect_s: float = 3  # for each host that does not answer
    database_silence_s: float = 4
    broker_heartbeat_s: float = 15
    broker_connect_s: float = 4
    broker_retry_s: float = 5  # the longest pause between two attempts
    confirm_s: float = 20  # after which a request gives up waiting for a broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """All of a cluster's times; None where a service is external or left out."""

    database: DatabaseTimes | None
    broker: BrokerTimes | None
    balancer: BalancerTimes | None
    address: AddressTimes | None
    client: ClientTimes = ClientTimes()


def read_timings(inventory: Inventory) -> Timings:
    """Return the times of a cluster, from the files that its nodes would get."""
    nodes = expand(inventory, provisional_secrets(inventory.secrets_path), {})

    def first(role: Role) -> NodeInputs | None:
        # certificates decide nothing here, and need not be issued yet
        found = (nodes[node.name] for node in inventory.with_role(role))
        return next((replace(inputs, read=lambda _: b"") for inputs in found), None)

    database, queue = first(Role.DATABASE), first(Role.QUEUE)
    balancers = [
        replace(nodes[node.name], read=lambda _: b"")
        for node in inventory.with_role(Role.LOADBALANCER)
    ]
    return Timings(
        database=_database(database) if database else None,
        broker=_broker(queue) if queue else None,
        balancer=_balancer(balancers[0]) if balancers else None,
        address=_address(balancers),
    )


def _database(inputs: NodeInputs) -> DatabaseTimes:
    db = database_settings(inputs, NodeFacts())
    patroni: Mapping[str, Any] = cluster_config(db)
    etcd = yaml.safe_load(render("database/etcd.yml.j2", db=db, tls="", token=""))
    return DatabaseTimes(
        ttl_s=patroni["ttl"],
        loop_wait_s=patroni["loop_wait"],
        retry_timeout_s=patroni["retry_timeout"],
        primary_start_timeout_s=patroni["primary_start_timeout"],
        max_lag_bytes=patroni["maximum_lag_on_failover"],
        synchronous_mode=db.synchronous_mode,
        failsafe=patroni["failsafe_mode"],
        sender_timeout_s=_postgresql_seconds(db.node_parameters["wal_sender_timeout"]),
        heartbeat_s=etcd.get("heartbeat-interval", _HEARTBEAT_MS) / 1000,
        election_s=etcd.get("election-timeout", _ELECTION_MS) / 1000,
    )


def _broker(inputs: NodeInputs) -> BrokerTimes:
    queue = queue_settings(inputs, NodeFacts())
    text = render("queue/advanced.config.j2", queue=queue).decode()
    return BrokerTimes(
        idle_s=_number(r"<<(\d+):32/native>>\}, %% TCP_KEEPIDLE", text),
        silence_s=_number(r"<<(\d+):32/native>>\} %% TCP_USER_TIMEOUT", text) / 1000,
        pauses_minority=queue.partition_handling == "pause_minority",
    )


def _balancer(inputs: NodeInputs) -> BalancerTimes:
    balancer = loadbalancer_settings(inputs, NodeFacts())
    text = render("loadbalancer/haproxy.cfg.j2", balancer=balancer).decode()
    return BalancerTimes(
        inter_s=_number(r"default-server .*?\binter (\d+)s", text),
        fastinter_s=_number(r"\bfastinter (\d+)s", text),
        fall=int(_number(r"\bfall (\d+)", text)),
        rise=int(_number(r"\brise (\d+)", text)),
        check_timeout_s=_number(r"timeout check (\d+)s", text),
        connect_timeout_s=_number(r"timeout connect (\d+)s", text),
        dead_s=_number(r"\btcp-ut (\d+)s", text),
    )


def _address(balancers: list[NodeInputs]) -> AddressTimes | None:
    shared = [loadbalancer_settings(inputs, NodeFacts()).virtual_address for inputs in balancers]
    held = [address for address in shared if address is not None]
    if not held:
        return None
    last = min(held, key=lambda address: address.priority)
    text = render("loadbalancer/keepalived.conf.j2", address=last).decode()
    return AddressTimes(
        advert_s=_number(r"advert_int (\d+)", text),
        priority=last.priority,
        check_interval_s=_number(r"interval (\d+)", text),
        check_timeout_s=_number(r"timeout (\d+)", text),
        check_fall=int(_number(r"fall (\d+)", text)),
    )


def _postgresql_seconds(text: str) -> float:
    """Return a time as PostgreSQL writes it; a bare number is of milliseconds."""
    number, unit = re.fullmatch(r"\s*([\d.]+)\s*([a-z]*)\s*", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS_S[unit]


def _number(pattern: str, text: str) -> float:
    """Return the number at the pattern's group; a template that lost it is a programming error."""
    found = re.search(pattern, text)
    if found is None:
        raise LookupError(f"a template no longer says {pattern}")
    return float(found.group(1))
