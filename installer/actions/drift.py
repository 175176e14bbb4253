"""Tell what on the nodes of a cluster is not as our last run left it, or as the next would."""

from collections.abc import Callable
from pathlib import Path

from installer.actions.cluster import open_cluster
from installer.actions.rollout import survey
from installer.engine.drift import Drifted
from installer.expand.check import load_cluster, warning_lines


def cluster_drift(
    inventory_path: Path, tell: Callable[[str], None], *, with_content: bool = False
) -> dict[str, tuple[Drifted, ...]]:
    """Return what differs on each node of an inventory; nothing is changed anywhere.

    `tell` takes the warnings of the inventory, line by line, before any node is asked.
    """
    inventory = load_cluster(inventory_path)
    for line in warning_lines(inventory):
        tell(line)
    cluster = open_cluster(inventory, save=False)
    with survey(cluster.jobs(), with_content=with_content) as seen:
        return seen.drifts()
