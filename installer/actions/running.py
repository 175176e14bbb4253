"""A cluster that runs already: its inventory with the secrets and certificates of its install."""

from installer.actions.cluster import Cluster, open_cluster
from installer.errors import Problem, Refused
from installer.inventory import Inventory


def open_running(inventory: Inventory) -> Cluster:
    """Return the cluster; raises Refused when it was not installed from here."""
    cluster = open_cluster(inventory, save=False)
    if cluster.is_provisional:
        raise Refused(
            Problem(
                where=str(inventory.secrets_path),
                what="secrets or certificates of this cluster are missing here",
                remedy="run it where the cluster was installed from, or `cluster install` first",
            )
        )
    return cluster
