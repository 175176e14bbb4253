"""`cfy_manager cluster`: from an inventory to a running cluster."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from installer.actions.install import Installed, InstallRequest, install_cluster
from installer.actions.on_drift import OnDrift
from installer.actions.options import RunOptions
from installer.actions.preflight import preflight_cluster
from installer.cli.options import INVENTORY, JSON, ONLY, SKIP
from installer.cli.plan_view import ask_person
from installer.cli.preflight import VERBOSE, WAIVE, Telling, reports, tell_examination
from installer.report import print_text, print_timing, report_for

_PLAN = click.option(
    "--plan",
    "plan_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Do exactly what this saved plan says; refuse when anything changed since.",
)
_ON_DRIFT = click.option(
    "--on-drift",
    type=click.Choice([choice.value for choice in OnDrift]),
    help="What to do with files that were changed by hand since the last run.  "
    "[default: ask on a terminal, else overwrite; a copy stays on the node]",
)


@click.command()
@INVENTORY
@ONLY
@SKIP
@WAIVE
@_PLAN
@_ON_DRIFT
@VERBOSE
@JSON
def install(  # noqa: PLR0913 - one for each option
    path: Path,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    waived: tuple[str, ...],
    plan_path: Path | None,
    on_drift: str | None,
    *,
    verbose: bool,
    as_json: bool,
) -> None:
    """Bring every node to its state; run it again after an interruption or a change.

    The checks of `cluster preflight` come first; what they refuse ends it before any change.

    \b
    cfy_manager cluster install -i ten-nodes.yaml --only loadbalancer
    cfy_manager cluster install -i ten-nodes.yaml --plan plan.json
    cfy_manager cluster install -i ten-nodes.yaml --on-drift keep
    """
    if plan_path and (only or skip or on_drift):
        told = "--plan has its own --only, --skip and --on-drift: say them to `cluster plan`"
        raise click.UsageError(told)
    request = InstallRequest(
        options=RunOptions(
            only=only,
            skip=skip,
            waived=waived,
            verbose=verbose,
            title=f"Installing the cluster of {path}",
        ),
        plan=plan_path,
        on_drift=_wish(on_drift, is_asked=not as_json and not plan_path),
        ask=ask_person,
    )
    installed = install_cluster(path, request, report_for(as_json=as_json))
    if as_json:
        print_text(json.dumps(_facts(installed)))
    else:
        print_timing(installed.results)
        print_text(_summary(installed))


@click.command()
@INVENTORY
@WAIVE
@JSON
@reports
def preflight(
    path: Path, waived: tuple[str, ...], junit: Path | None, folder: Path | None, *, as_json: bool
) -> None:
    """Examine every node before anything is changed on one; exit 4 when something forbids it.

    Example: cfy_manager cluster preflight -i ten-nodes.yaml --waive cpu-single
    """
    began = time.monotonic()
    found = preflight_cluster(path, waived)
    then = f"cfy_manager cluster install -i {path}"
    telling = Telling(as_json=as_json, junit=junit, folder=folder, then=then)
    tell_examination(found, time.monotonic() - began, telling)


def _wish(on_drift: str | None, *, is_asked: bool) -> OnDrift | None:
    """Return what was said, else that a person is asked where one sits at a terminal."""
    if on_drift is None:
        return OnDrift.ASK if is_asked and sys.stdin.isatty() and sys.stdout.isatty() else None
    return OnDrift(on_drift)


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
        f"Address       https://{f'[{address}]' if ':' in address else address}",
        f"Credentials   {inventory.secrets_path} (user admin)",
        f"CA            {ca}",
        f"Log           {installed.log_path}",
        "",
        f"Watch it: cfy_manager cluster status -i {inventory.path} --watch",
        "Next: log in with the Cloudify client:",
        f"  cfy profiles use {address} -u admin -p PASSWORD -t default_tenant --ssl -c {ca}",
        "  cfy cluster status",
    ]
    return "\n".join(lines)
