"""Which secrets must not leave a cluster, or a node, in any text."""

from installer.actions.cluster import open_cluster
from installer.actions.installed import STATE, Installed
from installer.actions.masking import Masker, configured_secrets, document_secrets, key_lines
from installer.actions.node import SECRETS
from installer.cluster_secrets import SECRET_KINDS, load_secrets, with_settings
from installer.errors import Problem, Refused
from installer.inventory import Inventory


def cluster_masker(inventory: Inventory) -> Masker:
    """Return what masks every secret of a cluster; raises Refused where they are not known."""
    known = load_secrets(inventory.secrets_path)
    made = {name for name, kind in SECRET_KINDS.items() if kind.make}
    if not made & with_settings(known, inventory.settings).keys():
        raise Refused(
            Problem(
                where=str(inventory.secrets_path),
                what="the secrets of this cluster are missing here, so none could be masked",
                remedy="run it where the cluster was installed from, or on each node the same "
                "command without `cluster`",
                code="secrets-unknown",
            )
        )
    inputs = open_cluster(inventory, save=False).inputs
    return Masker(
        (
            *configured_secrets(inputs),
            *(secret.reveal() for secret in known.values()),
            *key_lines(inventory.certificates_path),
        )
    )


def node_masker(installed: Installed) -> Masker:
    """Return what masks every secret that a node was installed with."""
    return Masker(
        (
            *document_secrets(installed.config),
            *(secret.reveal() for secret in load_secrets(SECRETS).values()),
            *key_lines(STATE / "certificates"),
        )
    )
