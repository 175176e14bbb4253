"""`cfy_manager cluster restart`: restart services one node at a time."""

from pathlib import Path

import click

from installer.actions.restart import ROLES, restart_cluster
from installer.actions.restart_request import RestartRequest
from installer.cli.options import INVENTORY, JSON
from installer.report import print_text, print_timing, report_for


@click.command()
@INVENTORY
@click.option(
    "--only", "roles", multiple=True, type=click.Choice(ROLES), help="This role only; repeatable."
)
@click.option("--node", "nodes", multiple=True, help="This node only; repeatable.")
@click.option("--interrupt", is_flag=True, help="Accept that services of a single node pause.")
@click.option("--again", is_flag=True, help="Begin anew instead of going on with an earlier run.")
@JSON
def restart(  # noqa: PLR0913 - one for each option
    path: Path,
    roles: tuple[str, ...],
    nodes: tuple[str, ...],
    *,
    interrupt: bool,
    again: bool,
    as_json: bool,
) -> None:
    """Restart services role by role, one node at a time, so that clients go on.

    Each node's turn comes when it may stop; the primary hands over and goes last. A run that was
    killed or failed is gone on with: what it has restarted is not restarted again.

    \b
    cfy_manager cluster restart -i ten-nodes.yaml
    cfy_manager cluster restart -i ten-nodes.yaml --only manager --node manager-2
    """
    request = RestartRequest(roles=roles, nodes=nodes, interrupt=interrupt, again=again)
    results = restart_cluster(path, request, report_for(as_json=as_json))
    if not as_json:
        print_timing(results)
        print_text(f"Next: cfy_manager cluster may-stop NODE -i {path} tells what may stop now.")
