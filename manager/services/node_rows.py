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
        "type_hierarchy": raw.get("type_hierarchy") or [node_type],
        "number_of_instances": _count(counts, "current_instances"),
        "planned_number_of_instances": _count(counts, "current_instances"),
        "deploy_number_of_instances": _count(counts, "default_instances"),
        "min_number_of_instances": _count(counts, "min_instances"),
        "max_number_of_instances": _count(counts, "max_instances"),
        "host_id": raw.get("host_id"),
        "properties": raw.get("properties") or {},
        "operations": raw.get("operations") or {},
        "plugins": raw.get("plugins") or [],
        "plugins_to_install": raw.get("plugins_to_install"),
        "relationships": [_relationship(item) for item in raw.get("relationships") or ()],
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
        index = raw.get("index")
        last[node_id] = last.get(node_id, 0) + 1 if index is None else int(index)
        system_properties = raw.get("system_properties")
        yield {
            "id": _text(raw, "id"),
            "node_key": node_keys[node_id],
            "index": last[node_id],
            "host_id": raw.get("host_id"),
            "state": raw.get("state") or "uninitialized",
            "version": raw.get("version") or 1,
            "runtime_properties": raw.get("runtime_properties") or {},
            "system_properties": system_properties,
            "relationships": raw.get("relationships") or [],
            "scaling_groups": raw.get("scaling_groups") or [],
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
    return 1 if value is None else int(value)


def _relationship(raw: Mapping[str, Any]) -> Row:
    if missing := [key for key in _RELATIONSHIP_KEYS if key not in raw]:
        raise BadParameters(f"A relationship of a node lacks {', '.join(missing)}")
    return {key: raw[key] for key in _RELATIONSHIP_KEYS}


def _text(raw: object, key: str) -> str:
    value = raw.get(key) if isinstance(raw, Mapping) else None
    if not isinstance(value, str) or not value:
        raise BadParameters(f"`{key}` must be a text that is not empty")
    return value
