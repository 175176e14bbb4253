"""Tell which workflows of a deployment may run now, and list them as clients read them."""

from collections.abc import Collection, Mapping
from typing import Any

Workflow = dict[str, Any]


def workflow_items(
    workflows: Mapping[str, Any], states: Collection[str], types: Collection[str]
) -> list[Workflow]:
    """Return a deployment's workflows as a list.

    `states` are the states of all its node instances, `types` all types of its nodes.
    """
    return [_item(name, spec, states, types) for name, spec in workflows.items()]


def is_available(
    workflow: Mapping[str, Any], states: Collection[str], types: Collection[str]
) -> bool:
    """Tell whether the rules of a workflow, if it has any, let it run."""
    rules = workflow.get("availability_rules")
    if not isinstance(rules, Mapping):
        return True
    wanted_types = rules.get("node_types_required")
    return (
        rules.get("available") in (True, None)
        and _states_match(rules.get("node_instances_active"), frozenset(states))
        and (not wanted_types or not frozenset(wanted_types).isdisjoint(types))
    )


def depends_on_instances(workflows: Mapping[str, Any] | None) -> bool:
    """Tell whether a rule of one of the workflows looks at node instances or types."""
    return any((spec or {}).get("availability_rules") for spec in (workflows or {}).values())


def _states_match(wanted: Collection[str] | None, states: frozenset[str]) -> bool:
    if wanted is None:
        return True
    matches = {
        "all": states in (frozenset(), frozenset({"started"})),
        "partial": len(states) > 1 and "started" in states,
        "none": "started" not in states,
    }
    return any(matches.get(rule, False) for rule in wanted)


def _item(
    name: str, spec: Mapping[str, Any], states: Collection[str], types: Collection[str]
) -> Workflow:
    return {
        "name": name,
        "plugin": spec.get("plugin", ""),
        "operation": spec.get("operation", ""),
        "parameters": spec.get("parameters", {}),
        "is_cascading": spec.get("is_cascading", False),
        "is_available": is_available(spec, states, types),
        "availability_rules": spec.get("availability_rules"),
    }
