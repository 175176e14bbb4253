"""`cfy_manager cluster add-node`, `remove-node`, `replace-node`."""

from collections.abc import Sequence
from pathlib import Path

import click

from installer.actions.change_members import NewNode, add_nodes, remove_nodes, replace_nodes
from installer.actions.departure import Place
from installer.actions.install import Installed
from installer.actions.options import RunOptions
from installer.cli.options import INVENTORY, JSON
from installer.cli.preflight import WAIVE
from installer.inventory import Role
from installer.report import print_text, print_timing, report_for

ADDRESS = click.option(
    "--address", "addresses", multiple=True, help="Of each new node, in the order of the names."
)


@click.command("add-node")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@INVENTORY
@ADDRESS
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice([str(role) for role in Role]),
    help="What the new nodes do; repeatable.",
)
@WAIVE
@JSON
def add_node(  # noqa: PLR0913 - one for each option
    names: tuple[str, ...],
    path: Path,
    addresses: tuple[str, ...],
    roles: tuple[str, ...],
    waived: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Add nodes to a running cluster and make every other member know them.

    With --address and --role they are written into the inventory; without, they stand there
    already. Databases and brokers are added two at a time: their number stays odd.

    \b
    cfy_manager cluster add-node db-4 db-5 --address 10.0.0.14 --address 10.0.0.15 \\
        --role database -i ten-nodes.yaml
    cfy_manager cluster add-node manager-4 -i ten-nodes.yaml
    """
    add(path, new_nodes(names, addresses, roles), names, waived=waived, as_json=as_json)


@click.command("remove-node")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@INVENTORY
@JSON
def remove_node(names: tuple[str, ...], path: Path, *, as_json: bool) -> None:
    """Take nodes out of a running cluster, out of the inventory, and clean their hosts.

    A node hands over first: its databases, queues and clients go to others. One that is dead is
    forgotten by the others. What would end a quorum is refused (exit code 8). A run that was
    killed is gone on with by the same command.

    \b
    cfy_manager cluster remove-node db-4 db-5 -i ten-nodes.yaml
    """
    remove(path, names, as_json=as_json)


@click.command("replace-node")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@INVENTORY
@click.option(
    "--address",
    "addresses",
    multiple=True,
    help="Of each new machine, in the order of the names.  [default: the same]",
)
@click.option(
    "--name",
    "new_names",
    multiple=True,
    help="Of each new machine, in the order of the names.  [default: the same]",
)
@JSON
def replace_node(
    names: tuple[str, ...],
    path: Path,
    addresses: tuple[str, ...],
    new_names: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Put a new machine in the place of a node that is dead, or alive and to be made anew.

    The old one leaves as by remove-node, the new one comes with certificates of its own. Name all
    that are dead together: the other nodes must answer. A run that was killed is gone on with by
    the same command.

    \b
    cfy_manager cluster replace-node db-2 -i ten-nodes.yaml
    cfy_manager cluster replace-node db-2 --address 10.0.0.52 -i ten-nodes.yaml
    cfy_manager cluster replace-node db-2 queue-2 --address 10.0.0.52 --address 10.0.0.53 \\
        -i ten-nodes.yaml
    """
    wanted = places(names, addresses, new_names)
    tell(path, replace_nodes(path, wanted, report_for(as_json=as_json)), as_json=as_json)


def places(
    names: Sequence[str], addresses: Sequence[str], new_names: Sequence[str]
) -> dict[str, Place]:
    """Return where each node's new machine is, by the node's name."""
    if len({*names}) < len(names):
        raise click.UsageError("name each node once")
    for option, words in (("--address", addresses), ("--name", new_names)):
        if words and len(words) != len(names):
            raise click.UsageError(f"give {option} once for each name, or leave it out")
    return {
        name: Place(
            name=new_names[index] if new_names else None,
            address=addresses[index] if addresses else None,
        )
        for index, name in enumerate(names)
    }


def new_nodes(
    names: Sequence[str], addresses: Sequence[str], roles: Sequence[str]
) -> tuple[NewNode, ...]:
    """Return the nodes to be written into the inventory; none where no address is given."""
    if not addresses:
        if roles:
            raise click.UsageError("--role goes with --address, one for each name")
        return ()
    if len(addresses) != len(names) or not roles:
        raise click.UsageError("give --address once for each name, and --role")
    pairs = zip(names, addresses, strict=True)
    return tuple(NewNode(name=name, address=at, roles=tuple(roles)) for name, at in pairs)


def add(
    path: Path,
    nodes: Sequence[NewNode],
    names: Sequence[str],
    *,
    waived: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Add nodes and tell how it went."""
    options = RunOptions(waived=tuple(waived), title=f"Adding {', '.join(names)}")
    tell(
        path,
        add_nodes(path, nodes, names, options, report_for(as_json=as_json)),
        as_json=as_json,
    )


def remove(path: Path, names: Sequence[str], *, as_json: bool) -> None:
    """Remove nodes and tell how it went."""
    tell(path, remove_nodes(path, names, report_for(as_json=as_json)), as_json=as_json)


def tell(path: Path, done: Installed, *, as_json: bool) -> None:
    """Tell what a run did and what to type next."""
    if as_json:
        return
    print_timing(done.results)
    print_text(f"Log   {done.log_path}")
    print_text(f"Next: cfy_manager cluster status -i {path}")
