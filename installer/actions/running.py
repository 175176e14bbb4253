"""A cluster that runs already: its inventory with the secrets and certificates of its install."""

from installer.actions.cluster import Cluster, open_kept
from installer.errors import ConfigError, Problem, Refused
from installer.inventory import Inventory


def open_running(inventory: Inventory) -> Cluster:
    """Return the cluster; raises Refused when it was not installed from here.

    Certificates that expire soon, or have, are as good as others here: who renews says so.
    """
    try:
        cluster = open_kept(inventory)
    except ConfigError as error:
        raise Refused(_elsewhere(inventory)) from error
    if cluster.is_provisional:
        raise Refused(_elsewhere(inventory))
    return cluster


def _elsewhere(inventory: Inventory) -> Problem:
    return Problem(
        where=str(inventory.secrets_path),
        what="secrets or certificates of this cluster are missing here",
        remedy="run it where the cluster was installed from, or `cluster install` first",
    )
