"""List the members of the database or broker cluster: from a node, or from the controller."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from installer.actions.installed import this_node
from installer.config.model import Document
from installer.config.source import value_at
from installer.engine.agent import Agent, Request
from installer.engine.openssh import open_stream
from installer.engine.target import Target
from installer.engine.wire import read_reply
from installer.errors import ConfigError, InstallerError, Problem
from installer.inventory import Role, load_inventory
from installer.secrets import Secret
from installer.status.collect import ANSWER_S, Watcher
from installer.status.facts import Answer, NodeFacts, node_facts
from installer.status.members import (
    AskedBroker,
    AskedDatabase,
    BrokerRow,
    DatabaseRow,
    broker_rows,
    database_rows,
)
from installer.status.request import (
    BROKERS,
    ETCD,
    PATRONI,
    QUORUM,
    broker_ask,
    database_asks,
    queues_ask,
)

_LIMIT_S = 10
_SERVICE_S = 3.0  # the others are asked over the network


def list_databases(inventory: Path | None) -> list[DatabaseRow]:
    """Return the database nodes of an inventory, else those that this node's config.yaml names."""
    return database_rows(asked_databases(inventory))


def asked_databases(inventory: Path | None, *, timeout_s: float = ANSWER_S) -> list[AskedDatabase]:
    """Ask the database nodes of an inventory, else those that this node's config.yaml names."""
    if inventory is not None:
        told, addresses = _from_controller(inventory, Role.DATABASE, timeout_s)
        asked = {name: (node.answer(PATRONI), node.answer(ETCD)) for name, node in told.items()}
    else:
        config = this_node(check_files=False).config
        addresses = _database_members(config)
        asks = {
            f"{kind} {name}": ask
            for name, address in addresses.items()
            for kind, ask in database_asks(address).items()
        }
        mine = _from_here(asks, _certificate(config, "postgresql_server", "postgresql_client"))
        asked = {n: (mine.answer(f"{PATRONI} {n}"), mine.answer(f"{ETCD} {n}")) for n in addresses}
    return [
        AskedDatabase(name=name, address=addresses[name], patroni=patroni, etcd=etcd)
        for name, (patroni, etcd) in asked.items()
    ]


def list_brokers(inventory: Path | None) -> list[BrokerRow]:
    """Return the brokers of an inventory, else those that this node's config.yaml names."""
    if inventory is not None:
        told, addresses = _from_controller(inventory, Role.QUEUE)
        return broker_rows(list(addresses), [node.answer(BROKERS) for node in told.values()])
    asked = asked_brokers(this_node(check_files=False).config)
    return broker_rows([one.name for one in asked], [one.brokers for one in asked])


def asked_brokers(config: Document) -> list[AskedBroker]:
    """Ask the brokers that this node's config.yaml names of all brokers and all queues."""
    addresses = _broker_members(config)
    username = str(value_at(config, ("rabbitmq", "username")) or "cloudify")
    password = Secret(str(value_at(config, ("rabbitmq", "password")) or ""))
    asks = {
        f"{kind} {name}": make(address, name, username, password)
        for name, address in addresses.items()
        for kind, make in ((BROKERS, broker_ask), (QUORUM, queues_ask))
    }
    mine = _from_here(asks, _certificate(config, "rabbitmq", "rabbitmq"))
    return [
        AskedBroker(
            name=name,
            brokers=mine.answer(f"{BROKERS} {name}"),
            queues=mine.answer(f"{QUORUM} {name}"),
        )
        for name in addresses
    ]


def _from_controller(
    path: Path, role: Role, timeout_s: float = ANSWER_S
) -> tuple[dict[str, NodeFacts], dict[str, str]]:
    """Ask the nodes of a role by SSH; of one that cannot be asked each answer says why."""
    inventory = load_inventory(path)
    nodes = inventory.with_role(role)
    if not nodes:
        raise ConfigError(_none(str(path), role))
    with Watcher(inventory, nodes, timeout_s=timeout_s) as watcher:
        facts = watcher.facts()
    silent = {name: Answer(fault=problem.what) for name, problem in facts.silent.items()}
    told = {
        node.name: facts.nodes.get(node.name)
        or NodeFacts(
            name=node.name,
            answers=dict.fromkeys((PATRONI, ETCD, BROKERS), silent[node.name]),
        )
        for node in nodes
    }
    return told, {node.name: node.address for node in nodes}


def _from_here(asks: Mapping[str, Any], files: Mapping[str, str]) -> NodeFacts:
    """Ask services over the network from this node, with this node's certificate."""
    here = Target(name="this node")
    stream = open_stream(here)
    body = {"limit_s": _SERVICE_S, "tls": dict(files), "gets": dict(asks), "looks": False}
    try:
        lines = Agent(stream).ask(Request("status", body, _LIMIT_S))
    finally:
        stream.close()
    reply = read_reply(here.name, lines, lines[-4:])
    if isinstance(reply, Problem):
        raise InstallerError(reply)
    return node_facts(here.name, reply, (reply["time"], reply["time"]))


def _database_members(config: Document) -> dict[str, str]:
    nodes: Any = value_at(config, ("postgresql_server", "cluster", "nodes")) or {}
    if nodes:
        return {name: node["ip"] for name, node in nodes.items()}
    return _alone(config, "database_service", Role.DATABASE)


def _broker_members(config: Document) -> dict[str, str]:
    members: Any = value_at(config, ("rabbitmq", "cluster_members")) or {}
    if members:
        return {name: member["networks"]["default"] for name, member in members.items()}
    return _alone(config, "queue_service", Role.QUEUE)


def _alone(config: Document, service: str, role: Role) -> dict[str, str]:
    if service not in config["services_to_install"]:
        raise ConfigError(_none("config.yaml", role))
    manager = config["manager"]
    name = manager.get("hostname") or socket.gethostname()
    return {str(name): str(manager["private_ip"])}


def _none(where: str, role: Role) -> Problem:
    return Problem(
        where=where,
        what=f"it names no node of the role {role}: there is none, or it is external",
        remedy="ask on a node that knows the cluster, or with `-i INVENTORY`",
    )


def _certificate(config: Document, own: str, client: str) -> dict[str, str]:
    """Return the files by which this node shows who it is: its service's, else the manager's."""
    section: Any = config.get(own) or {}
    if section.get("cert_path"):
        return {
            "ca": section["ca_path"],
            "cert": section["cert_path"],
            "key": section["key_path"],
        }
    inputs: Any = config["ssl_inputs"]
    trusted: Any = config.get(client) or {}
    return {
        "ca": trusted.get("ca_path") or inputs["ca_cert_path"],
        "cert": inputs["internal_cert_path"],
        "key": inputs["internal_key_path"],
    }
