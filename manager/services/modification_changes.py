"""What a modification asks for, checked against the deployment that it is to change."""

from collections.abc import Collection, Mapping
from typing import Any

from manager.errors import BadParameters

_MAX_INSTANCES = 10_000
_HINTS = ("removed_ids_include_hint", "removed_ids_exclude_hint")


def parse_wanted(raw: Mapping[str, Any], known: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the wanted numbers by node or scaling group; raises BadParameters."""
    if unknown := sorted(raw.keys() - set(known)):
        raise BadParameters(f"No nodes or scaling groups of the deployment: {', '.join(unknown)}")
    return {name: _parse_one(name, spec) for name, spec in raw.items()}


def merged_relationships(
    order: Collection[str], present: Collection[Any], added: Collection[Any]
) -> list[Any]:
    """Return an instance's relationships, grouped by target in the order that its node has."""
    merged = []
    for target in order:
        merged += [one for one in present if one["target_name"] == target]
        merged += [one for one in added if one["target_name"] == target]
    return merged


def without_targets(present: Collection[Any], removed: Collection[Any]) -> list[Any]:
    """Return relationships but for those to the targets of `removed`."""
    gone = {one["target_id"] for one in removed}
    return [one for one in present if one["target_id"] not in gone]


def groups_with(groups: Mapping[str, Any], name: str, **properties: int) -> dict[str, Any]:
    """Return scaling groups with other properties of one of them."""
    group = groups[name]
    return {**groups, name: {**group, "properties": {**group["properties"], **properties}}}


def _parse_one(name: str, spec: object) -> dict[str, Any]:
    instances = spec.get("instances") if isinstance(spec, Mapping) else None
    if not isinstance(instances, int) or isinstance(instances, bool):
        raise BadParameters(f"`{name}` must have `instances`, a number")
    if not 0 <= instances <= _MAX_INSTANCES:
        raise BadParameters(f"`{name}` may have 0 to {_MAX_INSTANCES} instances")
    assert isinstance(spec, Mapping)  # noqa: S101 - it has instances
    found: dict[str, Any] = {"instances": instances}
    for hint in _HINTS:
        value = spec.get(hint) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise BadParameters(f"`{hint}` of `{name}` must be a list of node instances")
        found[hint] = value
    return found
