"""`cfy_manager cluster stop` and `start`: a whole cluster, in the right order."""

from pathlib import Path

import click

from installer.actions.halt import start_cluster, stop_cluster
from installer.cli.confirm import demand_name
from installer.cli.options import INVENTORY, JSON
from installer.inventory import load_inventory
from installer.report import print_text, print_timing, report_for


@click.command()
@INVENTORY
@click.option("--yes", is_flag=True, help="Do not ask for the cluster's name.")
@JSON
def stop(path: Path, *, yes: bool, as_json: bool) -> None:
    """Stop every service of the cluster: clients' way in first, the database last.

    Nothing is lost, and nothing answers until `cluster start`. A host that boots meanwhile starts
    its services: they are stopped, not disabled.

    Example: cfy_manager cluster stop -i ten-nodes.yaml --yes
    """
    if not yes:
        demand_name("cluster stop", "Everything of it stops.", load_inventory(path).name)
    results = stop_cluster(path, report_for(as_json=as_json))
    if not as_json:
        print_timing(results)
        print_text(f"Next: cfy_manager cluster start -i {path}")


@click.command()
@INVENTORY
@JSON
def start(path: Path, *, as_json: bool) -> None:
    """Start every service of the cluster, each role once those that it needs are healthy.

    Example: cfy_manager cluster start -i ten-nodes.yaml
    """
    results = start_cluster(path, report_for(as_json=as_json))
    if not as_json:
        print_timing(results)
        print_text("Next: cfy cluster status")
