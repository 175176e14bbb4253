"""Deployments as clients see them."""

from typing import Any

from cloudify.models_states import DeploymentState
from sqlalchemy import ColumnElement, Text, case, func, null, select, type_coerce
from sqlalchemy.orm import aliased

from manager.storage.models import (
    Blueprint,
    Deployment,
    DeploymentLabel,
    Execution,
    NodeInstance,
    Site,
)
from manager.storage.raw_json import passing_json
from manager.storage.view import View, common_fields
from manager.storage.views.deployment_parts import (
    deployment_labels,
    no_groups,
    policy_triggers,
    policy_types,
    workflows,
)

_LATEST = aliased(Execution, name="latest_execution")
_CREATE = aliased(Execution, name="create_execution")


def shown_execution_status(status: ColumnElement[str] | Any) -> ColumnElement[str]:
    """Return the summary of an execution's status that a deployment shows."""
    summaries = DeploymentState.EXECUTION_STATES_SUMMARY
    shown = case(*((status == key, value) for key, value in summaries.items()), else_=null())
    return type_coerce(shown, Text)


def _instances(condition: Any) -> ColumnElement[int]:
    return (
        select(func.count())
        .where(NodeInstance.deployment_key == Deployment.key, condition)
        .scalar_subquery()
    )


def _label(name: str) -> ColumnElement[str]:
    value = (
        select(func.min(DeploymentLabel.value))
        .where(DeploymentLabel.deployment_key == Deployment.key, DeploymentLabel.name == name)
        .scalar_subquery()
    )
    return func.coalesce(value, "", type_=Text)


_NOTHING = null()
_FIELDS = {
    **common_fields(Deployment),
    "description": Deployment.description,
    "inputs_p": _NOTHING,
    "inputs": Deployment.inputs,
    "groups_p": _NOTHING,
    "groups": Deployment.groups,
    "permalink": _NOTHING,
    "policy_triggers_p": _NOTHING,
    "policy_types_p": _NOTHING,
    "outputs_p": _NOTHING,
    "outputs": Deployment.outputs,
    "capabilities_p": _NOTHING,
    "capabilities": Deployment.capabilities,
    "scaling_groups_p": _NOTHING,
    "scaling_groups": Deployment.scaling_groups,
    "updated_at": func.coalesce(Deployment.updated_at, Deployment.created_at),
    "workflows_p": _NOTHING,
    "runtime_only_evaluation": Deployment.runtime_only_evaluation,
    "installation_status": func.coalesce(
        Deployment.installation_status, DeploymentState.INACTIVE, type_=Text
    ),
    "deployment_status": Deployment.deployment_status,
    "sub_services_status": Deployment.sub_services_status,
    "sub_environments_status": Deployment.sub_environments_status,
    "sub_services_count": Deployment.sub_services_count,
    "sub_environments_count": Deployment.sub_environments_count,
    "display_name": Deployment.display_name,
    "resource_tags": Deployment.resource_tags,
    "drifted_instances": _instances(NodeInstance.has_configuration_drift),
    "unavailable_instances": _instances(~NodeInstance.is_status_check_ok),
    "latest_execution": _LATEST.id,
    "latest_execution_finished_operations": _LATEST.finished_operations,
    "latest_execution_total_operations": _LATEST.total_operations,
    "latest_execution_workflow_id": _LATEST.workflow_id,
    "create_execution": _CREATE.id,
    "blueprint_id": Blueprint.id,
    "site_name": Site.id,
    "latest_execution_status": shown_execution_status(_LATEST.status),
    "environment_type": _label("csys-env-type"),
    "has_sub_deployments": (Deployment.sub_services_count + Deployment.sub_environments_count > 0),
    "workdir_zip": _NOTHING,
}

DEPLOYMENTS = passing_json(
    View(
        name="Deployment",
        model=Deployment,
        fields=_FIELDS,
        joins=(
            (Blueprint, Blueprint.key == Deployment.blueprint_key),
            (Site, Site.key == Deployment.site_key),
            (_LATEST, _LATEST.key == Deployment.latest_execution_key),
            (_CREATE, _CREATE.key == Deployment.create_execution_key),
        ),
        loaded={
            "policy_triggers": policy_triggers,
            "policy_types": policy_types,
            "workflows": workflows,
            "labels": deployment_labels,
            "deployment_groups": no_groups,
        },
        defaults={name: lambda: None for name in ("policy_triggers", "policy_types", "workflows")},
        searched=(Deployment.id, Deployment.display_name),
        order=(Deployment.created_at,),
    )
)
