"""Nodes and node instances as clients see them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, func, literal, null, select
from sqlalchemy.orm import Session

from manager.storage.models import Blueprint, Deployment, Node, NodeInstance, Resource
from manager.storage.raw_json import passing_json
from manager.storage.view import View, common_fields
from manager.storage.views.deployment_parts import among

_NOTHING = null()


def planned_by_groups(session: Session, keys: Sequence[int]) -> Mapping[int, int]:
    """Return how many instances nodes shall have, by the scaling groups that they are in.

    Nodes of deployments without scaling groups have none: the original answers 0 for them.
    """
    query = (
        select(
            Node.key,
            Node.id,
            Node.host_id,
            Node.planned_number_of_instances,
            Deployment.scaling_groups,
        )
        .join(Deployment, Deployment.key == Node.deployment_key)
        .where(
            among(Node.key, keys),
            Deployment.scaling_groups != literal({}, Deployment.scaling_groups.type),
        )
    )
    found = {}
    for key, node_id, host_id, planned, groups in session.execute(query):
        for group in groups.values():
            if {node_id, host_id} & set(group["members"]):
                planned *= group["properties"]["planned_instances"]
        found[key] = planned
    return found


def _common(model: type[Resource]) -> dict[str, Any]:
    fields = common_fields(model)
    del fields["created_at"]  # parts of deployments are as old as these
    return fields


def _instances(*conditions: Any) -> ColumnElement[int]:
    return (
        select(func.count()).where(NodeInstance.node_key == Node.key, *conditions).scalar_subquery()
    )


NODES = passing_json(
    View(
        name="Node",
        model=Node,
        fields={
            **_common(Node),
            "deploy_number_of_instances": Node.deploy_number_of_instances,
            "host_id": Node.host_id,
            "max_number_of_instances": Node.max_number_of_instances,
            "min_number_of_instances": Node.min_number_of_instances,
            "number_of_instances": Node.number_of_instances,
            "planned_number_of_instances": Node.planned_number_of_instances,
            "plugins_p": _NOTHING,
            "plugins": Node.plugins,
            "plugins_to_install_p": _NOTHING,
            "plugins_to_install": Node.plugins_to_install,
            "properties_p": _NOTHING,
            "properties": Node.properties,
            "relationships_p": _NOTHING,
            "relationships": Node.relationships,
            "operations_p": _NOTHING,
            "operations": Node.operations,
            "type": Node.type,
            "type_hierarchy_p": _NOTHING,
            "type_hierarchy": Node.type_hierarchy,
            "drifted_instances": _instances(NodeInstance.has_configuration_drift),
            "unavailable_instances": _instances(~NodeInstance.is_status_check_ok),
            "actual_number_of_instances": _instances(),
            "deployment_id": Deployment.id,
            "blueprint_id": Blueprint.id,
            "deployment_display_name": Deployment.display_name,
        },
        joins=(
            (Deployment, Deployment.key == Node.deployment_key),
            (Blueprint, Blueprint.key == Deployment.blueprint_key),
        ),
        loaded={"actual_planned_number_of_instances": planned_by_groups},
        defaults={"actual_planned_number_of_instances": int},
        searched=(Node.id,),
    )
)
# Only properties have functions that a node's reader wants evaluated.
EVALUATED_NODES = replace(NODES, fields={**NODES.fields, "properties": Node.properties})

PARSED_INSTANCES = View(
    name="NodeInstance",
    model=NodeInstance,
    fields={
        **_common(NodeInstance),
        "host_id": NodeInstance.host_id,
        "index": NodeInstance.index,
        "relationships_p": _NOTHING,
        "relationships": NodeInstance.relationships,
        "runtime_properties_p": _NOTHING,
        "runtime_properties": NodeInstance.runtime_properties,
        "system_properties": NodeInstance.system_properties,
        "scaling_groups_p": _NOTHING,
        "scaling_groups": NodeInstance.scaling_groups,
        "state": NodeInstance.state,
        "version": NodeInstance.version,
        "has_configuration_drift": NodeInstance.has_configuration_drift,
        "is_status_check_ok": NodeInstance.is_status_check_ok,
        "node_id": Node.id,
        "deployment_id": Deployment.id,
    },
    joins=(
        (Node, Node.key == NodeInstance.node_key),
        (Deployment, Deployment.key == NodeInstance.deployment_key),
    ),
    searched=(NodeInstance.id,),
)
INSTANCES = passing_json(PARSED_INSTANCES)
EVALUATED_INSTANCES = replace(
    INSTANCES,
    fields={**INSTANCES.fields, "runtime_properties": NodeInstance.runtime_properties},
)
