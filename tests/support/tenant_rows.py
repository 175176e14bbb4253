"""A row of every resource in a tenant, each recognisable by a word in all of its texts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Float, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from manager.services.encryption import Sealer
from manager.storage import models
from manager.storage.models import Base, Resource

# Columns whose values are of a closed set; everything else is free text.
_FIXED = {
    "executions.status": "terminated",
    "executions.workflow_id": "install",
    "events.kind": "cloudify_event",
    "blueprints.state": "uploaded",
    "operations.type": "RemoteWorkflowTask",
    "operations.state": "pending",
    "plugin_states.state": "installed",
}
_TEXT_LISTS = ("dependencies", "supported_py_versions", "type_hierarchy", "wheels", "yaml_names")
_COUNTS = {"planned_instances": 1, "current_instances": 1}
_LEFT_OUT = ("dispatched_at", "owner", "schema", "token_hash", "visibility")
_PARENTS = {  # foreign keys to follow, in the order of creation
    "blueprint_key": "blueprints",
    "deployment_key": "deployments",
    "node_key": "nodes",
    "execution_key": "executions",
    "tasks_graph_key": "tasks_graphs",
    "source_deployment_key": "deployments",
    "target_deployment_key": "deployments",
    "plugin_key": "plugins",
    "site_key": "sites",
}
_ORDER: tuple[type[Base], ...] = (
    models.Site,
    models.Blueprint,
    models.BlueprintLabel,
    models.Deployment,
    models.DeploymentLabel,
    models.Node,
    models.NodeInstance,
    models.Execution,
    models.TasksGraph,
    models.Operation,
    models.Event,
    models.DeploymentModification,
    models.InterDeploymentDependency,
    models.Plugin,
    models.PluginState,
    models.Secret,
)


def fill_tenant(
    session: Session, word: str, *, tenant_id: int, creator_id: int, visibility: str
) -> dict[str, str]:
    """Store one row of everything a tenant may own; return the ids of resources by table."""
    known = set(Resource.__subclasses__())
    assert known <= set(_ORDER), f"no row is made of {known - set(_ORDER)}"
    owner = {"tenant_id": tenant_id, "creator_id": creator_id, "visibility": visibility}
    keys: dict[str, int] = {}
    ids: dict[str, str] = {}
    for model in _ORDER:
        table = model.__table__
        values = {**dict(_values(model, word, keys)), **owner}
        row = model(**{name: v for name, v in values.items() if name in table.columns})
        session.add(row)
        session.flush()
        keys[model.__tablename__] = next(iter(_key(row)))
        if isinstance(row, Resource):
            ids[model.__tablename__] = row.id
    return ids


def _key(row: Base) -> Iterator[int]:
    for column in type(row).__table__.primary_key:
        yield getattr(row, column.name)


def _values(model: type[Base], word: str, keys: dict[str, int]) -> Iterator[tuple[str, Any]]:
    for column in model.__table__.columns:
        name = f"{model.__tablename__}.{column.name}"
        if column.name in _PARENTS and _PARENTS[column.name] in keys:
            yield column.name, keys[_PARENTS[column.name]]
        elif column.primary_key or column.foreign_keys or column.computed is not None:
            continue
        elif name in _FIXED:
            yield column.name, _FIXED[name]
        elif name == "secrets.value":
            yield column.name, Sealer("encryption").seal(word)
        elif column.name not in _LEFT_OUT:
            yield from ((column.name, value) for value in _value(model, column, word))


def _value(model: type[Base], column: Any, word: str) -> Iterator[Any]:
    if isinstance(column.type, Text):
        yield f"{word}-{column.table.name}" if column.name == "id" else word
    elif isinstance(column.type, JSONB):
        yield _json(model, column.name, word)
    elif isinstance(column.type, DateTime):
        yield datetime.now(UTC)
    elif isinstance(column.type, Integer | Float) and column.server_default is None:
        yield 1


def _json(model: type[Base], name: str, word: str) -> Any:
    if "list[" not in str(model.__annotations__.get(name, "")):
        return {word: {"description": word, "members": [word], "properties": _COUNTS}}
    if name in _TEXT_LISTS:
        return [word]
    return [{part: word for part in ("name", "type", "target_id", "target_name")}]
