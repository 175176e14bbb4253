"""Prepare a deployment plan: a blueprint's plan with inputs, secrets checked, node instances."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dsl_parser import exceptions, tasks

from manager.dsl.parse import Plan, without_collector
from manager.errors import ManagerError

_FAULTS = (  # what `prepare_deployment_plan` raises for what the caller gave or the tenant lacks
    exceptions.DSLParsingException,
    exceptions.MissingRequiredInputError,
    exceptions.UnknownInputError,
    exceptions.InputEvaluationError,
    exceptions.ConstraintException,
    exceptions.FunctionEvaluationError,
    exceptions.UnknownSecretError,
    exceptions.UnsupportedGetSecretError,
    exceptions.EvaluationRecursionLimitReached,
    exceptions.UnknownSysEntityError,
    exceptions.UnknownSysPropertyError,
)


class InvalidDeployment(ManagerError):
    """The blueprint cannot be deployed so: an input, a constraint or a secret."""


class SecretMissing(Exception):
    """Tells dsl_parser that there is no such secret, in the way that it understands."""

    status_code = 404


class ValuesGetter(Protocol):
    """Finds the values that constraints of inputs range over."""

    def has_deployment_id(self) -> bool:
        """Tell whether a deployment is given by the context."""

    def has_blueprint_id(self) -> bool:
        """Tell whether a blueprint is given by the context."""

    def get(self, data_type: str, value: Any, **constraints: Any) -> set[Any]:
        """Return the values of a type that exist and keep the constraints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a deployment plan depends on beside the plan: all that it asks the tenant for."""

    has_secret: Callable[[str], bool] = lambda _: False
    values: ValuesGetter | None = None
    instance_ids: Mapping[str, Iterable[str]] = field(default_factory=dict)  # in use, by node
    runtime_only_evaluation: bool = False


def prepare_deployment(
    plan: Plan, inputs: Mapping[str, Any], surroundings: Surroundings | None = None
) -> Plan:
    """Return the deployment plan: inputs filled in, functions evaluated, instances named.

    `plan` stays as it is. Raises InvalidDeployment.
    """
    around = surroundings or Surroundings()
    with without_collector():
        try:
            prepared: Plan = tasks.prepare_deployment_plan(
                plan,
                get_secret_method=_secret_check(around.has_secret),
                inputs=dict(inputs),
                runtime_only_evaluation=around.runtime_only_evaluation,
                values_getter=around.values,
                existing_ni_ids=_sets(around.instance_ids),
            )
        except _FAULTS as error:
            raise InvalidDeployment(str(error)) from error
    return prepared


def _sets(instance_ids: Mapping[str, Iterable[str]]) -> defaultdict[str, set[str]]:
    return defaultdict(set, {node: set(ids) for node, ids in instance_ids.items()})


def _secret_check(has_secret: Callable[[str], bool]) -> Callable[[str], None]:
    def check(key: str) -> None:
        if not has_secret(key):
            raise SecretMissing(key)

    return check
