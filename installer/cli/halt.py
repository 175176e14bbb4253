"""`cfy_manager cluster stop` and `start`: a whole cluster, in the right order."""

from pathlib import Path

import click

from installer.actions.halt import Halted, start_cluster, stop_cluster
from installer.cli.confirm import demand_name
from installer.cli.options import INVENTORY, JSON, WITHOUT_UNREACHABLE
from installer.errors import NodeUnreachable
from installer.inventory import load_inventory
from installer.report import print_text, print_timing, report_for


@click.command()
@INVENTORY
@click.option("--yes", is_flag=True, help="Do not ask for the cluster's name.")
@WITHOUT_UNREACHABLE
@JSON
def stop(path: Path, *, yes: bool, without_unreachable: bool, as_json: bool) -> None:
    """Stop every service of the cluster: clients' way in first, the database last.

    Nothing is lost, and nothing answers until `cluster start`. A host that boots meanwhile starts
    its services: they are stopped, not disabled.

    Example: cfy_manager cluster stop -i ten-nodes.yaml --yes
    """
    if not yes:
        demand_name("cluster stop", "Everything of it stops.", load_inventory(path).name)
    report = report_for(as_json=as_json)
    halted = stop_cluster(path, report, without_unreachable=without_unreachable)
    _tell(halted, f"cfy_manager cluster start -i {path}", as_json=as_json)


@click.command()
@INVENTORY
@WITHOUT_UNREACHABLE
@JSON
def start(path: Path, *, without_unreachable: bool, as_json: bool) -> None:
    """Start every service of the cluster, each role once those that it needs are healthy.

    Example: cfy_manager cluster start -i ten-nodes.yaml
    """
    report = report_for(as_json=as_json)
    halted = start_cluster(path, report, without_unreachable=without_unreachable)
    _tell(halted, "cfy cluster status", as_json=as_json)


def _tell(halted: Halted, following: str, *, as_json: bool) -> None:
    """Show what took how long and what is next; raises NodeUnreachable for who was left out."""
    if not as_json:
        print_timing(halted.results)
        print_text(f"Next: {following}")
    if halted.left:
        raise NodeUnreachable(*halted.left)
