"""Tell what an install would change, from the same comparison that it applies."""

from collections.abc import Callable
from pathlib import Path

from installer.actions.cluster import open_cluster
from installer.actions.rollout import survey
from installer.engine.difference import Difference
from installer.expand.check import load_cluster, warning_lines


def plan_cluster(
    inventory_path: Path, tell: Callable[[str], None], *, with_content: bool = False
) -> dict[str, Difference]:
    """Return what differs on each node of an inventory; nothing is changed anywhere.

    `tell` takes the warnings of the inventory, line by line, before any node is asked.
    """
    inventory = load_cluster(inventory_path)
    for line in warning_lines(inventory):
        tell(line)
    cluster = open_cluster(inventory, save=False)
    with survey(cluster.jobs(), with_content=with_content) as seen:
        return seen.differences()
