"""`cfy_manager cluster`: from an inventory to a running cluster."""

import functools
import json
import time
from pathlib import Path
from typing import Any

import click

from installer.actions.install import Installed, install_cluster
from installer.actions.plan import plan_cluster
from installer.actions.preflight import preflight_cluster
from installer.actions.rollout import RunOptions
from installer.cli.preflight import WAIVE, Telling, reports, tell_examination
from installer.report import print_plan, print_text, print_timing, report_for

_INVENTORY = click.option(
    "-i",
    "--inventory",
    "path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The cluster file: nodes, roles, addresses.",
)
_ONLY = click.option("--only", multiple=True, help="Run only this phase or role; repeatable.")
_SKIP = click.option("--skip", multiple=True, help="Leave this phase or role out; repeatable.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cluster() -> None:
    """Plan, install and watch a whole cluster from its inventory.

    Example: cfy_manager cluster install -i inventories/ten-nodes.yaml
    """


@cluster.command()
@_INVENTORY
@_ONLY
@_SKIP
@WAIVE
@_JSON
def install(
    path: Path, only: tuple[str, ...], skip: tuple[str, ...], waived: tuple[str, ...], as_json: bool
) -> None:
    """Bring every node to its state; run it again after an interruption or a change.

    The checks of `cluster preflight` come first; what they refuse ends it before any change.

    Example: cfy_manager cluster install -i ten-nodes.yaml --only loadbalancer
    """
    options = RunOptions(
        only=only, skip=skip, waived=waived, title=f"Installing the cluster of {path}"
    )
    installed = install_cluster(path, options, report_for(as_json=as_json))
    if as_json:
        print_text(json.dumps(_facts(installed)))
    else:
        print_timing(installed.results)
        print_text(_summary(installed))


@cluster.command()
@_INVENTORY
@WAIVE
@_JSON
@reports
def preflight(
    path: Path, waived: tuple[str, ...], junit: Path | None, folder: Path | None, *, as_json: bool
) -> None:
    """Examine every node before anything is changed on one; exit 4 when something forbids it.

    Example: cfy_manager cluster preflight -i ten-nodes.yaml --waive cpu-single
    """
    began = time.monotonic()
    found = preflight_cluster(path, waived).examination
    then = f"cfy_manager cluster install -i {path}"
    telling = Telling(as_json=as_json, junit=junit, folder=folder, then=then)
    tell_examination(found, time.monotonic() - began, telling)


@cluster.command()
@_INVENTORY
@_JSON
@click.option("--diff", is_flag=True, help="Show each file's change, secrets masked.")
def plan(path: Path, diff: bool, as_json: bool) -> None:
    """Show what `install` would change, and change nothing.

    Example: cfy_manager cluster plan -i ten-nodes.yaml --diff
    """
    differences = plan_cluster(path, functools.partial(click.echo, err=True), with_content=diff)
    print_plan(differences, diff=diff, as_json=as_json)


def _facts(installed: Installed) -> dict[str, Any]:
    inventory = installed.cluster.inventory
    return {
        "kind": "summary",
        "changes": installed.changes,
        "address": installed.cluster.address,
        "credentials": str(inventory.secrets_path),
        "ca": str(inventory.certificates_path / "ca.crt"),
        "log": str(installed.log_path),
        "seconds": {result.phase: round(result.seconds, 2) for result in installed.results},
        "commands": installed.commands,
    }


def _summary(installed: Installed) -> str:
    inventory = installed.cluster.inventory
    address = installed.cluster.address
    ca = inventory.certificates_path / "ca.crt"
    lines = [
        "",
        f"Time          {installed.seconds:.0f} s",
        f"Changes       {installed.changes or 'none: everything is as the inventory says'}",
        f"Address       https://{address}",
        f"Credentials   {inventory.secrets_path} (user admin)",
        f"CA            {ca}",
        f"Log           {installed.log_path}",
        "",
        "Next: log in with the Cloudify client:",
        f"  cfy profiles use {address} -u admin -p PASSWORD -t default_tenant --ssl -c {ca}",
        "  cfy cluster status",
    ]
    return "\n".join(lines)
