"""The commands for the node they run on: preflight, install, remove, node get-id."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from installer.actions.node import SECRETS, NodeInstalled, install_node
from installer.actions.options import RunOptions
from installer.actions.preflight import preflight_node
from installer.actions.remove import remove_node
from installer.actions.reporter import this_node_id
from installer.actions.roles import SERVICES
from installer.cli.preflight import VERBOSE, WAIVE, Telling, reports, tell_examination
from installer.config.check import DEFAULT_CONFIG
from installer.report import print_text, print_timing, report_for

F = TypeVar("F", bound=Callable[..., Any])
HELP = {"help_option_names": ["-h", "--help"]}


def config_option(default: str) -> Callable[[F], F]:
    """Return `-c`, repeatable: files are merged left to right."""
    return click.option(
        "-c",
        "--config-file",
        "paths",
        multiple=True,
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"Configuration; repeat it to merge files left to right.  [default: {default}]",
    )


def _addresses(command: F) -> F:
    """Add the options that stand for a node's own addresses."""
    private = click.option(
        "--private-ip", help="Address by which the cluster's nodes reach this one."
    )
    public = click.option("--public-ip", help="Address by which clients reach this node.")
    return private(public(command))


def _given(addresses: Mapping[str, str | None]) -> dict[str, str]:
    return {key: address for key, address in addresses.items() if address}


@click.command(context_settings=HELP)
@config_option(str(DEFAULT_CONFIG))
@_addresses
@click.option("-a", "--admin-password", help="Password of the manager's admin; better in the file.")
@WAIVE
@VERBOSE
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def install(
    paths: tuple[Path, ...],
    admin_password: str | None,
    *,
    waived: tuple[str, ...],
    verbose: bool,
    as_json: bool,
    **addresses: str | None,
) -> None:
    """Install the services that config.yaml names on this node; again changes nothing.

    Example: cfy_manager install -c config.yaml --private-ip 10.0.0.11 --public-ip 10.0.0.11
    """
    manager: dict[str, Any] = _given(addresses)
    if admin_password:
        manager["security"] = {"admin_password": admin_password}
    installed = install_node(
        paths or (DEFAULT_CONFIG,),
        {"manager": manager} if manager else {},
        RunOptions(title="Installing this node", waived=waived, verbose=verbose, alone=True),
        report_for(as_json=as_json),
    )
    if not as_json:
        print_timing(installed.results)
        print_text(_summary(installed))


@click.command(context_settings=HELP)
@config_option(str(DEFAULT_CONFIG))
@_addresses
@WAIVE
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@reports
def preflight(
    paths: tuple[Path, ...],
    waived: tuple[str, ...],
    junit: Path | None,
    folder: Path | None,
    *,
    as_json: bool,
    **addresses: str | None,
) -> None:
    """Examine this host before anything is changed on it; exit 4 when something forbids it.

    Example: cfy_manager preflight -c config.yaml --waive cpu-single
    """
    began = time.monotonic()
    manager = _given(addresses)
    overrides = {"manager": manager} if manager else {}
    found = preflight_node(paths or (DEFAULT_CONFIG,), overrides, waived)
    telling = Telling(as_json=as_json, junit=junit, folder=folder, then="cfy_manager install")
    tell_examination(found, time.monotonic() - began, telling)


def _summary(installed: NodeInstalled) -> str:
    lines = [
        "",
        f"Changes  {installed.changes or 'none: everything is as config.yaml says'}",
        f"Log      {installed.log_path}",
    ]
    if installed.waits_for_peers:
        lines.append("Next     install the cluster's other nodes: the last one completes it")
    elif "manager_service" in installed.config["services_to_install"]:
        address = installed.config["manager"]["public_ip"]
        manager, ca = installed.config["manager"], installed.config["ssl_inputs"]["ca_cert_path"]
        user = manager["security"]["admin_username"]
        words = f"-u {user} -p PASSWORD -t default_tenant --ssl -c {ca}"
        lines.append(f"Secrets  config.yaml, else {SECRETS}: admin_password")
        lines.append(f"Next     cfy profiles use {address} {words}")
    return "\n".join(lines)


@click.command(context_settings=HELP)
@click.argument("services", nargs=-1, metavar="[SERVICE]...", type=click.Choice(list(SERVICES)))
@config_option("what was installed last")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(services: tuple[str, ...], paths: tuple[Path, ...], *, yes: bool) -> None:
    """Take away services of this node, by default all, with their packages and their data.

    What the others of the node need stays, as do config.yaml, certificates and secrets.

    \b
    cfy_manager remove --yes
    cfy_manager remove queue_service
    """
    if not yes:
        what = ", ".join(services) or "all services of this node"
        click.confirm(f"Remove {what} and all data of theirs?", abort=True)
    removed = remove_node(paths, services)
    kept = "Kept: /etc/cloudify, and secrets and certificates below /var/lib/cfy_manager."
    print_text("\n".join([*removed, kept, "Next: `cfy_manager install` builds it anew."]))


@click.group(context_settings=HELP)
def node() -> None:
    """Facts of this node."""


@node.command("get-id")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def get_id(*, as_json: bool) -> None:
    """Print the id under which this node reports its status.

    Example: cfy_manager node get-id
    """
    identity = this_node_id()
    print_text(json.dumps({"node_id": identity}) if as_json else identity)
