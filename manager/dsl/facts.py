"""What evaluation asks of a deployment; apart from dsl_parser, which is slow to import."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Document = dict[str, Any]


class Facts(Protocol):
    """A deployment as its caller may see it; its dictionaries are not to be changed."""

    @property
    def deployment_id(self) -> str:
        """Return the deployment's id."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Return the inputs' values."""

    @property
    def outputs(self) -> Document:
        """Return the outputs' definitions."""

    @property
    def capabilities(self) -> Document:
        """Return the capabilities' definitions."""

    @property
    def system(self) -> Mapping[tuple[str, str], str]:
        """Return what get_sys answers, by entity and property."""

    def node(self, node_id: str) -> Document:
        """Return a node; raises NotFound."""

    def instance(self, instance_id: str) -> Document:
        """Return a node instance; raises NotFound."""

    def instances(self, node_id: str | None) -> Sequence[Document]:
        """Return the instances of a node, or of all."""

    def labels(self, key: str) -> Sequence[str]:
        """Return the values of a label, oldest first."""

    def secret(self, key: str) -> str:
        """Return a secret's value; raises NotFound."""

    def display_names(self, deployment_ids: Sequence[str]) -> Sequence[str]:
        """Return the names of deployments."""

    def deployment(self, deployment_id: str) -> "Facts":
        """Return the facts of another deployment; raises NotFound."""

    def group(self, group_id: str) -> Sequence["Facts"]:
        """Return the facts of a group's deployments; raises NotFound."""
