"""Tell what an install would change, from the same comparison that it applies."""

from pathlib import Path

from installer.actions.cluster import open_cluster
from installer.actions.rollout import survey
from installer.engine.difference import Difference


def plan_cluster(inventory_path: Path, *, with_content: bool = False) -> dict[str, Difference]:
    """Return what differs on each node of an inventory; nothing is changed anywhere."""
    cluster = open_cluster(inventory_path, save=False)
    with survey(cluster.jobs(), with_content=with_content) as seen:
        return seen.differences()
