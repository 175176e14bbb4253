"""`cfy_manager cluster graph`: the cluster as a picture."""

from collections.abc import Callable
from pathlib import Path

import click

from installer.cli.options import INVENTORY
from installer.expand.check import load_cluster
from installer.foresight.drawing.mermaid import mermaid
from installer.foresight.drawing.plain import plain
from installer.foresight.drawing.svg import svg
from installer.foresight.topology import topology_of
from installer.status.model import NodeStatus

_DRAW: dict[str, Callable[..., str]] = {".svg": svg, ".mmd": mermaid, ".txt": plain}


@click.command()
@INVENTORY
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="A file that ends in .svg, .mmd (Mermaid) or .txt; otherwise text is printed.",
)
@click.option("--live", is_flag=True, help="Ask the running cluster, and show how each node is.")
def graph(path: Path, output: Path | None, live: bool) -> None:
    """Draw the cluster: nodes, roles, zones, ports, and who connects to whom.

    \b
    Examples: cfy_manager cluster graph -i ten-nodes.yaml -o ten-nodes.svg
              cfy_manager cluster graph -i ten-nodes.yaml --live
    """
    if output is not None and output.suffix not in _DRAW:
        raise click.UsageError(f"{output.name} must end in {', '.join(_DRAW)}")
    inventory = load_cluster(path)
    statuses: dict[str, NodeStatus] | None = None
    if live:
        from installer.status.collect import collect_statuses  # a plain drawing asks nobody

        statuses = collect_statuses(inventory)
    topology = topology_of(inventory)
    if output is None:
        click.echo(plain(topology, statuses), nl=False)
        return
    output.write_text(_DRAW[output.suffix](topology, statuses), encoding="utf-8")
    click.echo(f"Drew {len(inventory.nodes)} nodes to {output}.")
