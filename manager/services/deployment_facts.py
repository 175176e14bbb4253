"""What intrinsic functions ask about deployments, read from the database as a caller may see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from manager.dsl.facts import Document, Facts
from manager.errors import NotFound
from manager.services.authentication import Caller
from manager.services.encryption import Sealer
from manager.services.resources import find
from manager.storage.models import (
    Blueprint,
    Deployment,
    DeploymentLabel,
    Node,
    NodeInstance,
    Secret,
    Tenant,
    User,
)
from manager.storage.scope import readable

_INSTANCES: Select[Any] = select(
    NodeInstance.id,
    Node.id.label("node_id"),
    NodeInstance.index,
    NodeInstance.host_id,
    NodeInstance.state,
    NodeInstance.relationships,
    NodeInstance.runtime_properties,
    NodeInstance.system_properties,
    NodeInstance.scaling_groups,
).join(Node, Node.key == NodeInstance.node_key)
_NODES: Select[Any] = select(
    Node.id,
    Node.type,
    Node.type_hierarchy,
    Node.host_id,
    Node.properties,
    Node.relationships,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, through which session, and what opens secrets."""

    session: Session
    caller: Caller
    sealer: Sealer


@dataclass
class DeploymentFacts:
    """The facts of one deployment; each is read once, when it is asked for first."""

    reading: Reading
    row: Deployment
    _nodes: dict[str, Document] = field(default_factory=dict)
    _instances: dict[str, Document] = field(default_factory=dict)
    _of_node: dict[str | None, list[Document]] = field(default_factory=dict)
    _secrets: dict[str, str] = field(default_factory=dict)
    _others: dict[str, Facts] = field(default_factory=dict)

    @classmethod
    def of(cls, reading: Reading, deployment_id: str) -> "DeploymentFacts":
        """Return the facts of a deployment that the caller may read; raises NotFound."""
        row = find(reading.session, reading.caller, Deployment, deployment_id)
        return cls(reading, row)

    @property
    def deployment_id(self) -> str:
        """Return the deployment's id."""
        return self.row.id

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Return the inputs, or nothing before the environment is made."""
        return self.row.inputs or {}

    @property
    def outputs(self) -> Document:
        """Return the definitions of the outputs."""
        return self.row.outputs or {}

    @property
    def capabilities(self) -> Document:
        """Return the definitions of the capabilities."""
        return self.row.capabilities or {}

    @cached_property
    def system(self) -> Mapping[tuple[str, str], str]:
        """Return what get_sys answers."""
        query = (
            select(Tenant.name, Blueprint.id, User.username)
            .select_from(Deployment)
            .join(Tenant, Tenant.id == Deployment.tenant_id)
            .join(Blueprint, Blueprint.key == Deployment.blueprint_key)
            .join(User, User.id == Deployment.creator_id)
            .where(Deployment.key == self.row.key)
        )
        tenant, blueprint, owner = self.reading.session.execute(query).one()
        return {
            ("tenant", "name"): tenant,
            ("deployment", "id"): self.row.id,
            ("deployment", "name"): self.row.display_name,
            ("deployment", "blueprint"): blueprint,
            ("deployment", "owner"): owner,
        }

    def node(self, node_id: str) -> Document:
        """Return a node of the deployment; raises NotFound."""
        if node_id not in self._nodes:
            query = _NODES.where(Node.deployment_key == self.row.key, Node.id == str(node_id))
            found = self.reading.session.execute(query).mappings().one_or_none()
            if found is None:
                raise NotFound.of("Node", str(node_id))
            self._nodes[node_id] = {**found, "deployment_id": self.row.id}
        return self._nodes[node_id]

    def instance(self, instance_id: str) -> Document:
        """Return an instance of the deployment; raises NotFound."""
        if instance_id not in self._instances:
            self._read_instances(NodeInstance.id == str(instance_id))
        if instance_id not in self._instances:
            raise NotFound.of("NodeInstance", str(instance_id))
        return self._instances[instance_id]

    def instances(self, node_id: str | None) -> Sequence[Document]:
        """Return the instances of a node, or of all, in the order of their creation."""
        if node_id not in self._of_node:
            conditions = () if node_id is None else (Node.id == str(node_id),)
            self._of_node[node_id] = self._read_instances(*conditions)
        return self._of_node[node_id]

    def labels(self, key: str) -> Sequence[str]:
        """Return the values of a label, oldest first."""
        query = (
            select(DeploymentLabel.value)
            .where(DeploymentLabel.deployment_key == self.row.key, DeploymentLabel.name == str(key))
            .order_by(DeploymentLabel.created_at, DeploymentLabel.value)
        )
        return self.reading.session.scalars(query).all()

    def secret(self, key: str) -> str:
        """Return the value of a secret that the caller may read; raises NotFound."""
        if key not in self._secrets:
            found = find(self.reading.session, self.reading.caller, Secret, str(key))
            sealed = found.value
            self._secrets[key] = "" if sealed is None else self.reading.sealer.open(sealed)
        return self._secrets[key]

    def display_names(self, deployment_ids: Sequence[str]) -> Sequence[str]:
        """Return the names of those deployments that the caller may read."""
        query = (
            select(Deployment.display_name)
            .where(
                readable(Deployment, self.reading.caller), Deployment.id.in_(list(deployment_ids))
            )
            .order_by(Deployment.created_at)
        )
        return self.reading.session.scalars(query).all()

    def deployment(self, deployment_id: str) -> Facts:
        """Return the facts of another deployment that the caller may read; raises NotFound."""
        if deployment_id not in self._others:
            self._others[deployment_id] = DeploymentFacts.of(self.reading, str(deployment_id))
        return self._others[deployment_id]

    def group(self, group_id: str) -> Sequence[Facts]:
        """Raise NotFound: the manager has no deployment groups yet."""
        raise NotFound.of("DeploymentGroup", str(group_id))

    def _read_instances(self, *conditions: Any) -> list[Document]:
        query = _INSTANCES.where(NodeInstance.deployment_key == self.row.key, *conditions)
        rows = self.reading.session.execute(query.order_by(NodeInstance.key)).mappings()
        read = [{**row, "deployment_id": self.row.id} for row in rows]
        for instance in read:
            self._instances.setdefault(instance["id"], instance)
        return read
