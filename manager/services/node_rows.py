"""Turn what a deployment plan says of nodes and instances into rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from manager.errors import BadParameters
from manager.services.instance_health import has_configuration_drift, is_status_check_ok

Row = dict[str, Any]

_RELATIONSHIP_KEYS = (
    "target_id",
    "type",
    "type_hierarchy",
    "properties",
    "source_operations",
    "target_operations",
)


def node_row(raw: Mapping[str, Any]) -> Row:
    """Return the columns of a node; raises BadParameters when it lacks id or type."""
    node_id, node_type = _text(raw, "id"), _text(raw, "type")
    counts = _scalable(raw)
    return {
        "id": node_id,
        "type": node_type,
        "type_hierarchy": _typed(raw, "type_hierarchy", list) or [node_type],
        "number_of_instances": _count(counts, "current_instances"),
        "planned_number_of_instances": _count(counts, "current_instances"),
        "deploy_number_of_instances": _count(counts, "default_instances"),
        "min_number_of_instances": _count(counts, "min_instances"),
        "max_number_of_instances": _count(counts, "max_instances"),
        "host_id": _typed(raw, "host_id", str),
        "properties": _typed(raw, "properties", dict) or {},
        "operations": _typed(raw, "operations", dict) or {},
        "plugins": _typed(raw, "plugins", list) or [],
        "plugins_to_install": _typed(raw, "plugins_to_install", list),
        "relationships": [_relationship(item) for item in _typed(raw, "relationships", list) or ()],
    }


def instance_rows(
    raws: Sequence[Mapping[str, Any]],
    node_keys: Mapping[str, int],
    last_indexes: Mapping[str, int],
) -> Iterator[Row]:
    """Yield the columns of instances; those without an index continue their node's count.

    Raises BadParameters for an instance of a node that the deployment lacks.
    """
    last = dict(last_indexes)
    for raw in raws:
        node_id = _text(raw, "node_id")
        if node_id not in node_keys:
            raise BadParameters(f"The deployment has no node `{node_id}`")
        index = _typed(raw, "index", int)
        last[node_id] = last.get(node_id, 0) + 1 if index is None else index
        system_properties = _typed(raw, "system_properties", dict)
        yield {
            "id": _text(raw, "id"),
            "node_key": node_keys[node_id],
            "index": last[node_id],
            "host_id": _typed(raw, "host_id", str),
            "state": _typed(raw, "state", str) or "uninitialized",
            "version": _typed(raw, "version", int) or 1,
            "runtime_properties": _typed(raw, "runtime_properties", dict) or {},
            "system_properties": system_properties,
            "relationships": _typed(raw, "relationships", list) or [],
            "scaling_groups": _typed(raw, "scaling_groups", list) or [],
            "is_status_check_ok": is_status_check_ok(system_properties),
            "has_configuration_drift": has_configuration_drift(system_properties),
        }


def _scalable(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = raw
    for key in ("capabilities", "scalable", "properties"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    try:
        return 1 if value is None else int(value)
    except (TypeError, ValueError) as error:
        raise BadParameters(f"`{name}` of a scalable node must be a number") from error


def _relationship(raw: object) -> Row:
    if not isinstance(raw, Mapping):
        raise BadParameters("A relationship of a node must be an object")
    if missing := [key for key in _RELATIONSHIP_KEYS if key not in raw]:
        raise BadParameters(f"A relationship of a node lacks {', '.join(missing)}")
    return {key: raw[key] for key in _RELATIONSHIP_KEYS}


def _typed(raw: Mapping[str, Any], key: str, wanted: type[Any]) -> Any:
    value = raw.get(key)
    if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
        raise BadParameters(f"`{key}` must be of type {wanted.__name__}")
    return value


def _text(raw: object, key: str) -> str:
    value = raw.get(key) if isinstance(raw, Mapping) else None
    if not isinstance(value, str) or not value:
        raise BadParameters(f"`{key}` must be a text that is not empty")
    return value
