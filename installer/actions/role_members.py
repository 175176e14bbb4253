"""What speaks against removing databases or brokers by the commands of their role."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from installer.actions.departure import unfinished
from installer.actions.may_stop import demand_nodes
from installer.errors import Problem, Refused
from installer.expand.check import load_cluster
from installer.inventory import Inventory, Role, runs_folder
from installer.status.model import Part
from installer.status.seen import look_around


def demand_leaving_database(path: Path, names: Sequence[str]) -> None:
    """Raise Refused for the leader, and for nodes that are not databases alone."""
    inventory = load_cluster(path)
    if unfinished(runs_folder(inventory)) is not None:
        return  # it was allowed when it began
    problems = [*_role_problems(inventory, names, Role.DATABASE)]
    leader = look_around(inventory).database_with(Part.LEADER)
    if leader in names:
        problems.append(
            Problem(
                where=str(leader),
                what="it leads the databases",
                remedy="let another one lead first: `cfy_manager dbs set-master`, or hand over "
                f"and remove it by `cfy_manager cluster remove-node {leader}`",
                code="leader-stays",
            )
        )
    if problems:
        raise Refused(*problems)


def demand_leaving_broker(path: Path, names: Sequence[str]) -> None:
    """Raise Refused for a broker that runs, and for nodes that are not brokers alone."""
    inventory = load_cluster(path)
    if unfinished(runs_folder(inventory)) is not None:
        return
    problems = [*_role_problems(inventory, names, Role.QUEUE)]
    running = look_around(inventory).brokers
    problems += [
        Problem(
            where=name,
            what="this broker runs",
            remedy="stop it: `systemctl stop rabbitmq-server`, or have its queues moved by "
            f"`cfy_manager cluster remove-node {name}`",
            code="broker-runs",
        )
        for name in names
        if running.get(name)
    ]
    if problems:
        raise Refused(*problems)


def _role_problems(inventory: Inventory, names: Sequence[str], role: Role) -> Iterator[Problem]:
    demand_nodes(inventory, names)
    for name in names:
        roles = inventory.node(name).roles
        if roles != (role,):
            yield Problem(
                where=name,
                what=f"it is {', '.join(map(str, roles))}, not {role} alone",
                remedy=f"`cfy_manager cluster remove-node {name}` removes all of the node",
                code="other-roles",
            )
