"""A healthy cluster of ten nodes as facts, of which a test breaks one thing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from installer.errors import Problem
from installer.inventory import Inventory, Role, load_inventory
from installer.status.facts import Answer, ClusterFacts, Disk, NodeFacts, UnitFact
from installer.status.request import (
    BROKERS,
    ETCD,
    HAPROXY,
    MAINTENANCE,
    PATRONI,
    REST,
    SQL,
    SYNC,
    SYNC_PEERS,
)

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DATABASES = ("db-1", "db-2", "db-3")
QUEUES = ("queue-1", "queue-2", "queue-3")
MANAGERS = ("manager-1", "manager-2", "manager-3")
RUNNING = UnitFact(active="active", sub="running", result="success")
GIB = 1 << 30
_UNITS = {
    Role.DATABASE: ("etcd.service", "patroni.service"),
    Role.QUEUE: ("rabbitmq-server.service",),
    Role.MANAGER: ("nginx.service", "cloudify-restservice.service"),
    Role.LOADBALANCER: ("haproxy.service",),
}


def said(value: object, status: int = 200) -> Answer:
    return Answer(status=status, text=json.dumps(value))


def patroni(**changes: Any) -> Answer:
    """Return Patroni's view; `pause=True`, or `db_2={"state": …}` for a member."""
    members: list[dict[str, Any]] = [
        {"name": "db-1", "role": "leader", "state": "running"},
        {"name": "db-2", "role": "sync_standby", "state": "streaming", "lag": 0},
        {"name": "db-3", "role": "replica", "state": "streaming", "lag": 0},
    ]
    for member in members:
        member |= changes.pop(member["name"].replace("-", "_"), {})
    return said({"members": members, "scope": "postgres", **changes})


def sql(**changes: object) -> Answer:
    """Return what PostgreSQL says on the primary."""
    replicas = [
        {"name": "db-2", "state": "streaming", "sync": "sync", "lag": 0},
        {"name": "db-3", "state": "streaming", "sync": "async", "lag": 2048},
    ]
    view = {"names": "db-2", "waiting": 0, "waiting_s": 0, "replicas": replicas}
    return Answer(text=json.dumps({**view, **changes}))


def brokers(**changes: Any) -> Answer:
    """Return a broker's view; `queue_2={"mem_alarm": True}` for one of them."""
    nodes: list[dict[str, Any]] = [
        {"name": f"rabbit@{name}", "running": True, "partitions": []} for name in QUEUES
    ]
    for node, name in zip(nodes, QUEUES, strict=True):
        node |= changes.get(name.replace("-", "_"), {})
    return said(nodes)


def peers(connected: int = 2) -> Answer:
    return said({"connections": {str(n): {"connected": n < connected} for n in range(2)}})


def haproxy(**states: str) -> Answer:
    rows = ["# pxname,svname,status,check_status,last_chk"]
    for name in MANAGERS:
        state = states.get(name.replace("-", "_"), "UP")
        rows.append(f"https,{name},{state},{'L7OK' if state == 'UP' else 'L4CON'},")
    return Answer(text="\n".join(rows))


_ANSWERS = {
    Role.DATABASE: lambda: {
        PATRONI: patroni(),
        ETCD: said({"health": "true", "reason": ""}),
        SQL: sql(),
        MAINTENANCE: Answer(),
    },
    Role.QUEUE: lambda: {BROKERS: brokers()},
    Role.MANAGER: lambda: {
        REST: Answer(status=200, text="OK"),
        SYNC: said({"needBytes": 0, "state": "idle"}),
        SYNC_PEERS: peers(),
    },
    Role.LOADBALANCER: lambda: {HAPROXY: haproxy()},
}


def inventory(name: str = "ten-nodes") -> Inventory:
    return load_inventory(ROOT / "inventories" / f"{name}.yaml")


def healthy(cluster: Inventory | None = None) -> ClusterFacts:
    """Return a cluster with which nothing is wrong."""
    cluster = cluster or inventory()
    nodes, balancers = {}, cluster.with_role(Role.LOADBALANCER)
    for node in cluster.nodes:
        answers: dict[str, Answer] = {}
        for role in node.roles:
            answers |= _ANSWERS[role]()
        nodes[node.name] = NodeFacts(
            name=node.name,
            answers=answers,
            units={unit: RUNNING for role in node.roles for unit in _UNITS[role]},
            certificates={"/etc/cloudify/ssl/node.crt": NOW + timedelta(days=200)},
            disks={"/": Disk(size=10 * GIB, free=8 * GIB, inodes=1000, free_inodes=900)},
            packages={"nginx": "1.26"},
            own_version="1.0",
            holds_virtual_ip=bool(cluster.load_balancer.virtual_ip) and node == balancers[0],
        )
    return ClusterFacts(inventory=cluster, nodes=nodes, silent={}, now=NOW)


def with_answer(facts: ClusterFacts, answer: str, value: Answer, *names: str) -> ClusterFacts:
    """Return the facts with another answer of some nodes."""
    changed = {
        name: replace(facts.nodes[name], answers={**facts.nodes[name].answers, answer: value})
        for name in names
    }
    return replace(facts, nodes={**facts.nodes, **changed})


def with_node(facts: ClusterFacts, name: str, **changes: Any) -> ClusterFacts:
    """Return the facts with other values of one node."""
    node = replace(facts.nodes[name], **changes)
    return replace(facts, nodes={**facts.nodes, name: node})


def without(facts: ClusterFacts, *names: str) -> ClusterFacts:
    """Return the facts when some nodes cannot be asked."""
    problems = {
        name: Problem(
            where=name,
            what="it cannot be asked: ssh: connect to host 10.0.0.1 port 22: No route to host",
            remedy="look",
            code="node-unreachable",
        )
        for name in names
    }
    nodes = {name: node for name, node in facts.nodes.items() if name not in names}
    return replace(facts, nodes=nodes, silent={**facts.silent, **problems})
