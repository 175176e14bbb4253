"""Everything a cluster's run needs, read or made on the controller before any node is touched."""

import functools
from dataclasses import dataclass

from installer.actions.rollout import NodeJob
from installer.bundle.model import Bundle, load_bundle
from installer.bundle.use import bundle_stages
from installer.cluster_secrets import (
    SECRET_KINDS,
    ensure_secrets,
    load_secrets,
    provisional_secrets,
    with_settings,
)
from installer.config.model import NodeInputs
from installer.engine.target import target_of
from installer.expand import certificate_requests, expand, node_files
from installer.inventory import Inventory, Node, Role
from installer.pki.store import CertificateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A valid inventory with its secrets, certificates, per-node configuration and bundle."""

    inventory: Inventory
    inputs: dict[str, NodeInputs]
    bundle: Bundle | None
    is_provisional: bool = False  # some secrets or certificates are not those that a run makes

    @property
    def address(self) -> str:
        """Return where clients reach the cluster: its load balancer, else its first manager."""
        balancer = self.inventory.load_balancer
        manager = self.inventory.with_role(Role.MANAGER)[0]
        return balancer.virtual_ip or balancer.address or manager.public_address

    def jobs(self) -> list[NodeJob]:
        """Return the work on each node."""
        return [self._job(node) for node in self.inventory.nodes]

    def _job(self, node: Node) -> NodeJob:
        inputs = self.inputs[node.name]
        return NodeJob(
            target=target_of(node),
            inputs=inputs,
            files=node_files(inputs),
            toolkit=functools.partial(bundle_stages, self.bundle, tuple(map(str, node.roles))),
        )


def open_cluster(inventory: Inventory, *, save: bool) -> Cluster:
    """Return an inventory's cluster; secrets and certificates that lack are made.

    Without `save` they are written nowhere: a plan changes nothing.
    """
    requests = certificate_requests(inventory)
    store = CertificateStore(inventory.certificates_path)
    is_whole = save or _is_whole(inventory, store)
    if save:
        secrets = ensure_secrets(inventory.secrets_path)
        store.ensure(requests)
        certificates = store.by_node(requests)
    else:
        secrets = provisional_secrets(inventory.secrets_path)
        certificates = store.preview(requests)
    return Cluster(
        inventory=inventory,
        inputs=expand(inventory, secrets, certificates),
        bundle=load_bundle(inventory.bundle_path) if inventory.bundle_path else None,
        is_provisional=not is_whole,
    )


def open_kept(inventory: Inventory) -> Cluster:
    """Return a cluster with the certificates that are here, however old: none is issued.

    Raises ConfigError when one lacks.
    """
    certificates = CertificateStore(inventory.certificates_path).by_node(
        certificate_requests(inventory)
    )
    secrets = provisional_secrets(inventory.secrets_path)
    return Cluster(
        inventory=inventory,
        inputs=expand(inventory, secrets, certificates),
        bundle=load_bundle(inventory.bundle_path) if inventory.bundle_path else None,
        is_provisional=not has_secrets(inventory),
    )


def _is_whole(inventory: Inventory, store: CertificateStore) -> bool:
    """Tell whether every secret and certificate is there already."""
    return has_secrets(inventory) and not store.pending(certificate_requests(inventory))


def has_secrets(inventory: Inventory) -> bool:
    """Tell whether every secret that a run makes is there, or given by the inventory."""
    known = with_settings(load_secrets(inventory.secrets_path), inventory.settings)
    return known.keys() >= {name for name, kind in SECRET_KINDS.items() if kind.make}
