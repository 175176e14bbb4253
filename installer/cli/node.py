"""The commands for the node they run on: install, remove, node get-id."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from installer.actions.node import SECRETS, NodeInstalled, install_node
from installer.actions.remove import remove_node
from installer.actions.reporter import this_node_id
from installer.actions.roles import SERVICES
from installer.actions.rollout import RunOptions
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


@click.command(context_settings=HELP)
@config_option(str(DEFAULT_CONFIG))
@click.option("--private-ip", help="Address by which the cluster's nodes reach this one.")
@click.option("--public-ip", help="Address by which clients reach this node.")
@click.option("-a", "--admin-password", help="Password of the manager's admin; better in the file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def install(
    paths: tuple[Path, ...],
    private_ip: str | None,
    public_ip: str | None,
    admin_password: str | None,
    *,
    as_json: bool,
) -> None:
    """Install the services that config.yaml names on this node; again changes nothing.

    Example: cfy_manager install -c config.yaml --private-ip 10.0.0.11 --public-ip 10.0.0.11
    """
    flags = {"private_ip": private_ip, "public_ip": public_ip}
    manager: dict[str, Any] = {key: value for key, value in flags.items() if value}
    if admin_password:
        manager["security"] = {"admin_password": admin_password}
    installed = install_node(
        paths or (DEFAULT_CONFIG,),
        {"manager": manager} if manager else {},
        RunOptions(title="Installing this node", alone=True),
        report_for(as_json=as_json),
    )
    if not as_json:
        print_timing(installed.results)
        print_text(_summary(installed))


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
