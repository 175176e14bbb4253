"""`cfy_manager cluster add-networks`: addresses of managers and brokers in further networks."""

import re
from pathlib import Path

import click

from installer.actions.networks import NetworkAddress, NetworksAdded, add_networks
from installer.cli.options import INVENTORY, JSON
from installer.report import print_text, print_timing, report_for

_WISH = re.compile(r"([A-Za-z0-9_.-]+)/([^/=\s]+)=(\S+)")


def _wishes(
    _context: click.Context, _option: click.Parameter, words: tuple[str, ...]
) -> tuple[NetworkAddress, ...]:
    wishes = []
    for word in words:
        found = _WISH.fullmatch(word)
        if found is None:
            raise click.BadParameter(f"{word!r} is not NETWORK/NODE=ADDRESS")
        wishes.append(NetworkAddress(*found.groups()))
    return tuple(wishes)


@click.command("add-networks", context_settings={"help_option_names": ["-h", "--help"]})
@INVENTORY
@click.argument(
    "wishes",
    nargs=-1,
    required=True,
    metavar="NETWORK/NODE=ADDRESS...",
    callback=_wishes,
)
@click.option(
    "--elsewhere", is_flag=True, help="Addresses are not on the hosts: a router translates them."
)
@JSON
def add_networks_to_cluster(
    path: Path, wishes: tuple[NetworkAddress, ...], *, elsewhere: bool, as_json: bool
) -> None:
    """Let agents of a further network reach managers and brokers by addresses of their own.

    The inventory gets the addresses; certificates are issued anew with them, services reload or
    restart one node at a time, and the managers' tables tell agents of them. Interrupted, run
    it again, or `cluster install`. Nothing changes when a host lacks its address.

    \b
    cfy_manager cluster add-networks -i ten-nodes.yaml \\
        edge/manager-1=192.0.2.11 edge/manager-2=192.0.2.12 edge/queue-1=192.0.2.21
    """
    added = add_networks(path, wishes, report_for(as_json=as_json), elsewhere=elsewhere)
    if not as_json:
        print_timing(added.installed.results)
        print_text(_summary(path, added))


def _summary(path: Path, added: NetworksAdded) -> str:
    said = ", ".join(f"{w.network}/{w.node}={w.address}" for w in added.added)
    return (
        f"\nInventory  {said or 'has them already'}\n"
        f"Changes    {added.installed.changes or 'none: everything is as the inventory says'}\n"
        f"Log        {added.installed.log_path}\n"
        f"Next       cfy managers list; cfy_manager cluster status -i {path}"
    )
