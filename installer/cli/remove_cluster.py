"""`cfy_manager cluster remove`: a whole cluster goes from its hosts."""

from pathlib import Path

import click

from installer.actions.remove_cluster import Removed, RemoveRequest, remove_cluster
from installer.cli.confirm import demand_name
from installer.cli.options import INVENTORY, JSON, WITHOUT_UNREACHABLE
from installer.errors import NodeUnreachable
from installer.inventory import Inventory, load_inventory
from installer.report import print_text, print_timing, report_for


@click.command()
@INVENTORY
@click.option("--yes", is_flag=True, help="Do not ask for the cluster's name.")
@WITHOUT_UNREACHABLE
@click.option(
    "--abandon-deployments",
    is_flag=True,
    help="Go on although the cluster manages deployments.",
)
@JSON
def remove(
    path: Path,
    *,
    yes: bool,
    without_unreachable: bool,
    abandon_deployments: bool,
    as_json: bool,
) -> None:
    """Take the cluster away from all hosts: services, packages that came with them, all data.

    Hosts are left as they were before, but for their names and their journals. Inventory,
    secrets and certificates stay here, so `cluster install` builds it anew, empty. Interrupted,
    run it again. It refuses, before any change, while a host does not answer or deployments exist.

    Example: cfy_manager cluster remove -i ten-nodes.yaml
    """
    inventory = load_inventory(path)
    if not yes:
        demand_name("cluster remove", _question(inventory), inventory.name)
    request = RemoveRequest(
        without_unreachable=without_unreachable, abandon_deployments=abandon_deployments
    )
    removed = remove_cluster(path, request, report_for(as_json=as_json))
    if not as_json:
        print_timing(removed.results)
        print_text(_summary(inventory, removed))
    if removed.left:
        raise NodeUnreachable(*removed.left)


def _question(inventory: Inventory) -> str:
    return f"All data of the cluster on {len(inventory.nodes)} hosts is deleted; no backup is made."


def _summary(inventory: Inventory, removed: Removed) -> str:
    kept = f"{inventory.path}, {inventory.secrets_path}, {inventory.certificates_path}"
    return (
        f"\nRemoved  {removed.things or 'nothing: nothing of ours was there'}\n"
        f"Kept     {kept}\n"
        f"Next     cfy_manager cluster install -i {inventory.path}   builds it anew"
    )
