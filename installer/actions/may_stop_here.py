"""May this host stop now? Asked on the host itself, of the peers that its config.yaml names."""

import socket
from collections.abc import Iterator

from installer.actions.installed import this_node
from installer.actions.members import asked_brokers, asked_databases
from installer.config.model import Document
from installer.foresight.stopping import PARTS, Objection, Verdict, may_stop
from installer.foresight.survival import Layout
from installer.status.members import broker_presence, database_presence

_UNJUDGED = {"manager_service": "manager", "loadbalancer_service": "loadbalancer"}


def ask_may_stop_here() -> Verdict:
    """Return whether this host may stop now, as far as it can tell by itself.

    Its config.yaml names databases and brokers. Who else is a manager or a load balancer it does
    not say: a host with such a role is not allowed to stop by its own word.
    """
    config = this_node(check_files=False).config
    services = config["services_to_install"]
    found = []
    if "database_service" in services:
        found.append(_judge_database(config))
    if "queue_service" in services:
        found.append(_judge_broker(config))
    unknown = tuple(_unknown(config, services))
    return Verdict(
        nodes=(_name(config),),
        objections=(*(each for verdict in found for each in verdict.objections), *unknown),
        notes=tuple(each for verdict in found for each in verdict.notes),
    )


def _judge_database(config: Document) -> Verdict:
    asked = asked_databases(None)
    names = {_name(config), *(one.name for one in asked if one.address == _address(config))}
    presence = database_presence(asked)
    layout = Layout(databases=tuple(presence.databases), synchronous_mode=_mode(config))
    return may_stop(layout, presence, names & presence.databases.keys())


def _judge_broker(config: Document) -> Verdict:
    presence = broker_presence(asked_brokers(config))
    return may_stop(Layout(queues=tuple(presence.brokers)), presence, {_name(config)})


def _unknown(config: Document, services: list[str]) -> Iterator[Objection]:
    for service, role in _UNJUDGED.items():
        if service in services:
            yield Objection(
                part=PARTS[role],
                reason=f"whether another {role} works is not known on this host",
                remedy=f"ask on the controller: `cfy_manager cluster may-stop {_name(config)} "
                "-i INVENTORY`",
            )


def _name(config: Document) -> str:
    return str(config["manager"].get("hostname") or socket.gethostname())


def _address(config: Document) -> str:
    return str(config["manager"]["private_ip"])


def _mode(config: Document) -> str:
    return str(config["postgresql_server"]["cluster"]["synchronous_mode"])
