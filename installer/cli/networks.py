"""`cfy_manager add-networks` and `cluster add-networks`: addresses in further networks."""

import re
from pathlib import Path

import click

from installer.actions.networks import NetworkAddress, NetworksAdded, add_networks
from installer.actions.node_networks import add_node_networks
from installer.cli.node import config_option
from installer.cli.options import INVENTORY, JSON
from installer.config.check import DEFAULT_CONFIG
from installer.report import print_text, print_timing, report_for

_HELP = {"help_option_names": ["-h", "--help"]}
_OWN_WISH = re.compile(r"([A-Za-z0-9_.-]+)=(\S+)")
_WISH = re.compile(r"([A-Za-z0-9_.-]+)/([^/=\s]+)=(\S+)")


_ELSEWHERE = click.option(
    "--elsewhere", is_flag=True, help="Addresses are not on the hosts: a router translates them."
)


def _wishes(
    _context: click.Context, _option: click.Parameter, words: tuple[str, ...]
) -> tuple[NetworkAddress, ...]:
    found = [(word, _WISH.fullmatch(word)) for word in words]
    return tuple(NetworkAddress(*_demanded(*each, "NETWORK/NODE=ADDRESS")) for each in found)


def _own_wishes(
    _context: click.Context, _option: click.Parameter, words: tuple[str, ...]
) -> dict[str, str]:
    found = [(word, _OWN_WISH.fullmatch(word)) for word in words]
    pairs = [_demanded(*each, "NETWORK=ADDRESS") for each in found]
    if len({name for name, _ in pairs}) < len(pairs):
        raise click.BadParameter("name each network once")
    return {name: address for name, address in pairs}


def _demanded(word: str, found: re.Match[str] | None, form: str) -> tuple[str, ...]:
    if found is None:
        raise click.BadParameter(f"{word!r} is not {form}")
    return tuple(map(str, found.groups()))


@click.command("add-networks", context_settings=_HELP)
@click.argument(
    "networks", nargs=-1, required=True, metavar="NETWORK=ADDRESS...", callback=_own_wishes
)
@config_option(str(DEFAULT_CONFIG))
@_ELSEWHERE
@JSON
def add_networks_to_node(
    networks: dict[str, str], paths: tuple[Path, ...], *, elsewhere: bool, as_json: bool
) -> None:
    """Let agents of a further network reach this node by an address of its own.

    config.yaml gets the address; the certificate is issued anew with it, services reload or
    restart, and the managers' tables tell agents. Interrupted, run it again. For a node that was
    installed by itself; others get theirs from the controller, by `cluster add-networks`.

    Example: cfy_manager add-networks edge=192.0.2.11
    """
    installed = add_node_networks(networks, paths, report_for(as_json=as_json), elsewhere=elsewhere)
    if not as_json:
        print_timing(installed.results)
        changes = installed.changes or "none: everything is as config.yaml says"
        print_text(
            f"\nChanges  {changes}\nLog      {installed.log_path}\nNext     cfy managers list"
        )


@click.command("add-networks", context_settings=_HELP)
@INVENTORY
@click.argument(
    "wishes",
    nargs=-1,
    required=True,
    metavar="NETWORK/NODE=ADDRESS...",
    callback=_wishes,
)
@_ELSEWHERE
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
