"""`dbs add`, `dbs remove`, `brokers add`, `brokers remove`: nodes of one role."""

from pathlib import Path

import click

from installer.actions.role_members import demand_leaving_broker, demand_leaving_database
from installer.cli.change_members import ADDRESS, add, new_nodes, remove
from installer.cli.options import INVENTORY, JSON
from installer.inventory import Role


@click.command("add")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@INVENTORY
@ADDRESS
@JSON
def add_database(
    names: tuple[str, ...], path: Path, addresses: tuple[str, ...], *, as_json: bool
) -> None:
    """Add database nodes to the cluster, from the controller: two at a time keep the number odd.

    The same as `cluster add-node` with the role database.

    \b
    cfy_manager dbs add db-4 db-5 --address 10.0.0.14 --address 10.0.0.15 -i ten-nodes.yaml
    """
    roles = (str(Role.DATABASE),) if addresses else ()
    add(path, new_nodes(names, addresses, roles), names, as_json=as_json)


@click.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@INVENTORY
@JSON
def remove_database(names: tuple[str, ...], path: Path, *, as_json: bool) -> None:
    """Remove database nodes from the cluster, from the controller; refuses the leader.

    Exit code: 8 for the leader, for the last replicas, and for a node that has other roles too.

    \b
    cfy_manager dbs remove db-4 db-5 -i ten-nodes.yaml
    """
    demand_leaving_database(path, names)
    remove(path, names, as_json=as_json)


@click.command("add")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@INVENTORY
@ADDRESS
@JSON
def add_broker(
    names: tuple[str, ...], path: Path, addresses: tuple[str, ...], *, as_json: bool
) -> None:
    """Add brokers to the cluster, from the controller: two at a time keep the number odd.

    They join those that run, and queues that lack a replica get one. The same as
    `cluster add-node` with the role queue.

    \b
    cfy_manager brokers add queue-4 queue-5 --address 10.0.0.24 --address 10.0.0.25 \\
        -i ten-nodes.yaml
    """
    roles = (str(Role.QUEUE),) if addresses else ()
    add(path, new_nodes(names, addresses, roles), names, as_json=as_json)


@click.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@INVENTORY
@JSON
def remove_broker(names: tuple[str, ...], path: Path, *, as_json: bool) -> None:
    """Remove stopped brokers from the cluster, from the controller; refuses one that runs.

    `cluster remove-node` takes one that runs: it leaves its queues to the others first.

    Exit code: 8 for a broker that runs, for the last ones, and for a node that has other roles.

    \b
    cfy_manager brokers remove queue-4 queue-5 -i ten-nodes.yaml
    """
    demand_leaving_broker(path, names)
    remove(path, names, as_json=as_json)
