"""Executions, their task graphs and operations as clients see them."""

from sqlalchemy import Text, case, null

from manager.storage.models import Blueprint, Deployment, Execution, Operation, TasksGraph
from manager.storage.view import View, common_fields

# Those that an execution has by itself, wherever it is shown.
OWN_FIELDS = {
    "ended_at": Execution.ended_at,
    "error": Execution.error,
    "is_system_workflow": Execution.is_system_workflow,
    "parameters_p": null(),
    "parameters": Execution.parameters,
    "status": Execution.status,
    "workflow_id": Execution.workflow_id,
    "started_at": Execution.started_at,
    "scheduled_for": Execution.scheduled_for,
    "is_dry_run": Execution.is_dry_run,
    "resume": Execution.resume,
    "total_operations": Execution.total_operations,
    "finished_operations": Execution.finished_operations,
    "allow_custom_parameters": Execution.allow_custom_parameters,
}

_common = common_fields(Execution)

EXECUTIONS = View(
    name="Execution",
    model=Execution,
    fields={
        "created_at": _common.pop("created_at"),
        "visibility": _common.pop("visibility"),
        "id": _common.pop("id"),
        **OWN_FIELDS,
        "blueprint_id": Blueprint.id,
        "deployment_display_name": Deployment.display_name,
        "deployment_id": Deployment.id,
        "status_display": case(
            (Execution.status == "terminated", "completed"), else_=Execution.status
        ).cast(Text),
        **_common,
    },
    joins=(
        (Deployment, Deployment.key == Execution.deployment_key),
        (Blueprint, Blueprint.key == Deployment.blueprint_key),
    ),
    searched=(Execution.id, Execution.workflow_id, Deployment.id),
)

_common = common_fields(TasksGraph)
TASKS_GRAPHS = View(
    name="TasksGraph",
    model=TasksGraph,
    fields={
        "created_at": _common.pop("created_at"),
        "visibility": _common.pop("visibility"),
        "id": _common.pop("id"),
        "name": TasksGraph.name,
        "execution_id": Execution.id,
        **_common,
    },
    joins=((Execution, Execution.key == TasksGraph.execution_key),),
)

_common = common_fields(Operation)
OPERATIONS = View(
    name="Operation",
    model=Operation,
    fields={
        "created_at": _common.pop("created_at"),
        "visibility": _common.pop("visibility"),
        "id": _common.pop("id"),
        "name": Operation.name,
        "state": Operation.state,
        "dependencies": Operation.dependencies,
        "type": Operation.type,
        "parameters": Operation.parameters,
        "manager_name": Operation.manager_name,
        "agent_name": Operation.agent_name,
        "tasks_graph_id": TasksGraph.id,
        **_common,
    },
    joins=((TasksGraph, TasksGraph.key == Operation.tasks_graph_key),),
)
