"""Evaluators of the request: each deployment's facts are read once for all items of a reply."""

from typing import TYPE_CHECKING

from flask import g

from manager.errors import BadParameters
from manager.rest.context import caller, services, session
from manager.rest.envelope import Body
from manager.services.deployment_facts import DeploymentFacts, Reading
from manager.services.encryption import Sealer

if TYPE_CHECKING:
    from manager.dsl.evaluate import Evaluator


def evaluator_of(deployment_id: str) -> "Evaluator":
    """Return the evaluator of a deployment that the caller may read; raises NotFound."""
    from manager.dsl.evaluate import Evaluator  # dsl_parser: not before somebody needs it

    evaluators: dict[str, Evaluator] = g.setdefault("evaluators", {})
    if deployment_id not in evaluators:
        sealer = Sealer.of(services().settings.security)
        facts = DeploymentFacts.of(Reading(session(), caller(), sealer), deployment_id)
        evaluators[deployment_id] = Evaluator(facts)
    return evaluators[deployment_id]


def owner_of(item: Body) -> str:
    """Return the deployment whose functions an item has; raises BadParameters without it."""
    if "id" not in item or "deployment_id" not in item:
        raise BadParameters("_evaluate_functions needs `id` and `deployment_id` in _include")
    return str(item["deployment_id"])
