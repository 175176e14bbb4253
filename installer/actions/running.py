"""A cluster that runs already: its inventory with the secrets and certificates of its install."""

from installer.actions.cluster import Cluster, has_secrets, open_kept
from installer.errors import ConfigError, Problem, Refused
from installer.expand import certificate_requests
from installer.inventory import Inventory
from installer.pki.store import CertificateStore


def open_running(inventory: Inventory) -> Cluster:
    """Return the cluster; raises Refused when it was not installed from here.

    Certificates that expire soon, or have, are as good as others here: who renews says so.
    Raises ConfigError where its bundle is not here.
    """
    demand_running(inventory)
    return open_kept(inventory)


def demand_running(inventory: Inventory) -> None:
    """Raise Refused when the cluster was not installed from here; nobody needs its bundle yet."""
    try:
        CertificateStore(inventory.certificates_path).by_node(certificate_requests(inventory))
    except ConfigError as error:
        raise Refused(_elsewhere(inventory)) from error
    if not has_secrets(inventory):
        raise Refused(_elsewhere(inventory))


def _elsewhere(inventory: Inventory) -> Problem:
    return Problem(
        where=str(inventory.secrets_path),
        what="secrets or certificates of this cluster are missing here",
        remedy="run it where the cluster was installed from, or `cluster install` first",
    )
