"""create_deployment_environment: from a blueprint's plan to nodes and node instances."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from manager.dsl.evaluate import Evaluator
from manager.dsl.parse import Plan
from manager.dsl.plan import Surroundings, prepare_deployment
from manager.files.write import make_folder
from manager.services.authentication import Caller
from manager.services.blueprint_labels import given_labels, labels_of_plan
from manager.services.deployment_facts import DeploymentFacts, Reading
from manager.services.deployment_tree import check_parents, parent_keys, recalculate
from manager.services.encryption import Sealer
from manager.services.labels import PARENT, replace_labels
from manager.services.node_rows import instance_rows
from manager.services.nodes import create_nodes, insert_rows, node_keys, part_of
from manager.storage.models import (
    Blueprint,
    Deployment,
    DeploymentLabel,
    Node,
    NodeInstance,
    Secret,
)
from manager.storage.scope import readable
from manager.system_workflows.context import SystemContext, WorkflowFailed, creator
from manager.system_workflows.dependencies import create_dependencies
from manager.system_workflows.lookup import PlanLookup
from manager.system_workflows.requirements import check_requirements

_FIELDS = (
    "description",
    "workflows",
    "inputs",
    "policy_types",
    "policy_triggers",
    "groups",
    "scaling_groups",
    "outputs",
    "capabilities",
    "resource_tags",
)
_MAX_NAME = 256
_NOT_YET = frozenset({"default_groups", "default_schedules"})  # the resources are still to come


def create(
    context: SystemContext,
    *,
    inputs: Mapping[str, Any] | None = None,
    labels: Iterable[Any] | None = None,
    display_name: str | None = None,
    **_unused: object,
) -> None:
    """Make the environment of the execution's deployment; raises ManagerError.

    All of it is one transaction, so that it is there as a whole or not at all.
    """
    with context.database.session() as session:
        deployment = context.deployment(session)
        if deployment is None:
            raise WorkflowFailed("The deployment was deleted meanwhile")
        caller = creator(session, context.execution)
        workdir = make_folder(context.tree.deployment(caller.tenant or "", deployment.id))
        if deployment.workflows is not None:
            return  # a run before this one did it
        context.note_write(session, workdir)
        sealer = Sealer.of(context.settings.security)
        making = _Making(session, caller, deployment, sealer)
        plan = making.prepare(inputs or {})
        making.fill_in(plan, labels or ())
        making.create_nodes(plan)
        settings = plan.get("deployment_settings") or {}
        making.apply_settings(settings, display_name)
        create_dependencies(session, deployment, caller, plan)
        nodes, instances = len(plan["nodes"]), len(plan["node_instances"])
    context.log(f"Created {nodes} nodes and {instances} node-instances")
    for name in sorted(_NOT_YET & settings.keys()):
        context.log(f"deployment_settings.{name} has no effect yet", level="warning")


class _Making:
    """Makes one environment within one transaction."""

    def __init__(
        self, session: Session, caller: Caller, deployment: Deployment, sealer: Sealer
    ) -> None:
        self._session = session
        self._caller = caller
        self._deployment = deployment
        self._evaluator = Evaluator(DeploymentFacts(Reading(session, caller, sealer), deployment))
        self._blueprint = session.get_one(Blueprint, deployment.blueprint_key)

    def prepare(self, inputs: Mapping[str, Any]) -> Plan:
        """Return the deployment plan; raises InvalidDeployment."""
        plan = dict(self._blueprint.plan or {})
        plan["inputs"] = self._with_known_constraints(plan.get("inputs") or {})
        around = Surroundings(
            has_secret=self._has_secret,
            values=PlanLookup(self._session, self._deployment, plan),
            instance_ids=self._instance_ids(node["id"] for node in plan["nodes"]),
            runtime_only_evaluation=self._deployment.runtime_only_evaluation,
        )
        return prepare_deployment(plan, inputs, around)

    def fill_in(self, plan: Plan, labels: Iterable[Any]) -> None:
        """Write the deployment's own fields and labels."""
        deployment = self._deployment
        for name in _FIELDS:
            setattr(deployment, name, plan.get(name))
        deployment.capabilities = deployment.capabilities or {}
        deployment.updated_at = func.now()
        of_plan = labels_of_plan({"blueprint_labels": plan.get("labels")})
        wanted = list(dict.fromkeys([*given_labels(list(labels)), *of_plan]))
        check_parents(self._session, deployment, [v for name, v in wanted if name == PARENT])
        self._session.flush()
        replace_labels(self._session, DeploymentLabel, deployment.key, wanted, self._caller.user_id)
        recalculate(self._session, parent_keys(self._session, deployment.key))
        check_requirements(self._session, self._caller, self._blueprint, wanted)

    def create_nodes(self, plan: Plan) -> None:
        """Insert all nodes in one statement, all node instances in another."""
        session, deployment = self._session, self._deployment
        create_nodes(session, deployment, self._caller.user_id, plan["nodes"])
        keys = node_keys(session, deployment)
        common = {
            **part_of(deployment, self._caller.user_id),
            "deployment_key": deployment.key,
        }
        rows = [{**row, **common} for row in instance_rows(plan["node_instances"], keys, {})]
        insert_rows(session, NodeInstance, rows)

    def apply_settings(self, settings: Mapping[str, Any], display_name: str | None) -> None:
        """Give the deployment its display name: the one asked for, or the blueprint's."""
        evaluated = self._evaluator.payload(dict(settings), {}) if settings else {}
        name = display_name or evaluated.get("display_name")
        if name:
            self._deployment.display_name = checked_display_name(name)

    def _with_known_constraints(self, declared: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs' declarations with functions in their constraints evaluated."""
        constraints = {
            name: declaration["constraints"]
            for name, declaration in declared.items()
            if declaration and declaration.get("constraints")
        }
        if not constraints:
            return dict(declared)
        evaluated = self._evaluator.payload({"input_constraints": constraints}, {})
        known = evaluated["input_constraints"]
        return {
            name: {**declaration, "constraints": known[name]} if name in known else declaration
            for name, declaration in declared.items()
        }

    def _has_secret(self, key: str) -> bool:
        query = select(Secret.key).where(readable(Secret, self._caller), Secret.id == key)
        return self._session.scalar(query.limit(1)) is not None

    def _instance_ids(self, node_ids: Iterable[str]) -> Mapping[str, Iterable[str]]:
        """Return the ids that instances of such nodes have in the tenant, since they are unique."""
        query = (
            select(Node.id, NodeInstance.id)
            .join(Node, Node.key == NodeInstance.node_key)
            .where(Node.tenant_id == self._deployment.tenant_id, Node.id.in_(list(node_ids)))
        )
        found = defaultdict(list)
        for node_id, instance_id in self._session.execute(query):
            found[node_id].append(instance_id)
        return found


def checked_display_name(name: object) -> str:
    """Return a display name in its normal form; raises WorkflowFailed for what none can be."""
    text = unicodedata.normalize("NFKC", str(name))
    if len(text) > _MAX_NAME:
        raise WorkflowFailed(
            f"The deployment display name is too long. Maximum allowed length is {_MAX_NAME}"
            " characters"
        )
    if any(unicodedata.category(char)[0] == "C" for char in text):
        raise WorkflowFailed(
            "The deployment display name contains illegal characters. Control characters are not"
            " allowed"
        )
    return text
