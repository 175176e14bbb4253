"""What dsl_parser asks while it evaluates functions, answered from a deployment's facts."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsl_parser import functions

from manager.dsl.errors import FunctionsEvaluationFailed
from manager.dsl.facts import Document, Facts
from manager.errors import NotFound

_WITH_IDS = "deployment_id:"  # get_group_capability: answer a dictionary instead of a list
_PARENT_LABEL = "csys-obj-parent"
_CONSUMER_LABEL = "csys-consumer-id"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as dsl_parser wants it."""

    key: str
    value: str = field(repr=False)


class SecretNotFound(NotFound):
    """A secret that the caller lacks; outputs that only read it are left out by dsl_parser."""

    status_code = 404  # what dsl_parser looks at


class EvaluationStorage:
    """The storage object of dsl_parser.functions; names of methods are given by it.

    What it answers is evaluated in place, so it answers copies.
    """

    def __init__(
        self, facts: Facts, capability_value: Callable[[Facts, Mapping[str, Any]], Any]
    ) -> None:
        self._facts = facts
        self._capability_value = capability_value
        self.secret_method = self.get_secret

    def get_input(self, input_name: str) -> Any:
        """Return the value of an input."""
        if not self._facts.inputs:
            raise FunctionsEvaluationFailed(
                f"Inputs are not yet evaluated for deployment `{self._facts.deployment_id}`"
            )
        return copy.deepcopy(self._facts.inputs[input_name])

    def get_node(self, node_id: str) -> Document:
        """Return a node of the deployment; raises NotFound."""
        node = copy.deepcopy(self._facts.node(node_id))
        node["name"] = node["id"]
        return node

    def get_node_instance(self, node_instance_id: str) -> Document:
        """Return an instance of the deployment; raises NotFound."""
        return copy.deepcopy(self._facts.instance(node_instance_id))

    def get_node_instances(self, node_id: str | None = None) -> list[Document]:
        """Return the instances of a node."""
        return [copy.deepcopy(instance) for instance in self._facts.instances(node_id)]

    def get_secret(self, secret_key: str) -> Secret:
        """Return a secret that the caller may see; raises SecretNotFound."""
        try:
            return Secret(secret_key, self._facts.secret(secret_key))
        except NotFound as error:
            raise SecretNotFound(str(error)) from error

    def get_sys(self, entity: str, prop: str) -> str:
        """Return what the system knows of the deployment."""
        try:
            return self._facts.system[entity, prop]
        except (KeyError, TypeError) as error:
            raise FunctionsEvaluationFailed(
                f"Cannot retrieve this entity-property pair: {entity}-{prop}"
            ) from error

    def get_consumers(self, prop: str) -> Any:
        """Return ids, names or the number of the deployments that use this one."""
        consumers = list(self._facts.labels(_CONSUMER_LABEL))
        if prop == "ids":
            return consumers
        if prop == "count":
            return len(consumers)
        return list(self._facts.display_names(consumers))

    def get_label(self, label_key: str, values_list_index: int | None) -> Any:
        """Return the values of a label, oldest first, or the one at the index."""
        values = list(self._facts.labels(label_key))
        if not values:
            raise FunctionsEvaluationFailed(
                f"The deployment `{self._facts.deployment_id}` does not have a label with the key "
                f"`{label_key}` assigned to it"
            )
        if values_list_index is None:
            return values
        if not 0 <= values_list_index < len(values):
            raise FunctionsEvaluationFailed(
                "The provided label-values list index is out of range. The key "
                f"`{label_key}` has {len(values)} values"
            )
        return values[values_list_index]

    def get_capability(self, capability_path: Sequence[Any]) -> Any:
        """Return a capability of a deployment that the caller may see."""
        deployment_id, name = capability_path[0], capability_path[1]
        shared = self._facts.deployment(deployment_id)
        definition = shared.capabilities.get(name)
        if not definition:
            raise FunctionsEvaluationFailed(
                f"Requested capability `{name}` is not declared in deployment `{deployment_id}`"
            )
        return _nested(self._capability_value(shared, definition), capability_path)

    def get_environment_capability(self, capability_path: Sequence[Any]) -> Any:
        """Return a capability of the deployment's parent."""
        return self.get_capability([self.get_label(_PARENT_LABEL, 0), *capability_path])

    def get_group_capability(self, capability_path: Sequence[Any]) -> Any:
        """Return a capability of each deployment of a group that has it.

        Source: Cloudify, "Intrinsic Functions", get_group_capability: a list ordered by id, a list
        of lists for several capabilities, a dictionary by id for `deployment_id:<name>`.
        """
        wanted = capability_path[1]
        names = list(wanted) if isinstance(wanted, list) else [str(wanted)]
        by_id = names[0].startswith(_WITH_IDS) if not isinstance(wanted, list) else False
        if by_id:
            names = [names[0].removeprefix(_WITH_IDS)]
        found = {
            member.deployment_id: self._group_values(member, names, capability_path)
            for member in self._facts.group(capability_path[0])
            if any(name in member.capabilities for name in names)
        }
        return found if by_id else [found[key] for key in sorted(found)]

    def _group_values(self, member: Facts, names: Sequence[str], path: Sequence[Any]) -> Any:
        values = []
        for name in names:
            definition = member.capabilities.get(name)
            value = self._capability_value(member, definition) if definition else None
            values.append(_nested(value, path) if definition else None)
        return values[0] if len(values) == 1 else values


def _nested(value: Any, path: Sequence[Any]) -> Any:
    if len(path) <= 2:
        return value
    return functions.get_nested_attribute_value_of_capability(value, path)["value"]
