"""What intrinsic functions are answered, with facts that are in memory."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from manager.dsl.errors import FunctionsEvaluationFailed
from manager.dsl.evaluate import Evaluator, has_functions
from manager.errors import NotFound


@dataclass
class MemoryFacts:
    """Deployments by name; this is one of them."""

    deployment_id: str = "d"
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)
    system: dict[tuple[str, str], str] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    all_instances: list[dict[str, Any]] = field(default_factory=list)
    label_values: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, "MemoryFacts"] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def node(self, node_id):
        self.reads.append(node_id)
        return self.nodes[node_id]

    def instance(self, instance_id):
        return next(one for one in self.all_instances if one["id"] == instance_id)

    def instances(self, node_id):
        return [one for one in self.all_instances if node_id in (None, one["node_id"])]

    def labels(self, key):
        return self.label_values.get(key, [])

    def secret(self, key):
        raise NotFound.of("Secret", key)

    def display_names(self, deployment_ids):
        return [f"name of {one}" for one in deployment_ids]

    def deployment(self, deployment_id):
        if deployment_id == self.deployment_id:
            return self
        return self.others[deployment_id]

    def group(self, group_id):
        return [self.others[name] for name in self.groups[group_id]]


def instance(node_id, number, **runtime_properties):
    return {
        "id": f"{node_id}_{number}",
        "node_id": node_id,
        "index": number,
        "relationships": [],
        "scaling_groups": [],
        "runtime_properties": runtime_properties,
    }


def node(node_id, **properties):
    return {"id": node_id, "properties": properties, "relationships": [], "type_hierarchy": []}


def payload(facts, function, **context):
    return Evaluator(facts).payload({"value": function}, context)["value"]


def test_what_is_evaluated_never_changes_the_facts():
    """Evaluation replaces functions in place; the facts serve the next item of the reply too."""
    facts = MemoryFacts(
        inputs={"a": 1},
        nodes={"n": node("n", value={"get_input": "a"})},
        all_instances=[instance("n", 1)],
        outputs={"o": {"value": {"get_attribute": ["n", "value"]}}},
    )

    assert Evaluator(facts).outputs() == {"o": 1}
    assert facts.outputs == {"o": {"value": {"get_attribute": ["n", "value"]}}}
    assert facts.nodes["n"]["properties"] == {"value": {"get_input": "a"}}


def test_several_instances_need_a_context():
    facts = MemoryFacts(
        nodes={"n": node("n")}, all_instances=[instance("n", 1, a="x"), instance("n", 2, a="y")]
    )

    assert payload(facts, {"get_attribute": ["SELF", "a"]}, self="n_2") == "y"
    assert payload(facts, {"get_attributes_list": ["n", "a"]}) == ["x", "y"]
    with pytest.raises(FunctionsEvaluationFailed, match="More than one node instance"):
        payload(facts, {"get_attribute": ["n", "a"]})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("c", [1, 2]),
        ("deployment_id:c", {"a": 1, "b": 2}),
        (["c", "e"], [[1, None], [2, "x"], [None, "z"]]),
    ],
)
def test_capabilities_of_a_group_are_collected(wanted, found):
    members = {
        "b": MemoryFacts("b", capabilities={"c": {"value": 2}, "e": {"value": "x"}}),
        "a": MemoryFacts("a", capabilities={"c": {"value": 1}}),
        "c": MemoryFacts("c", capabilities={"e": {"value": "z"}}),
        "none": MemoryFacts("none"),
    }
    facts = MemoryFacts(others=members, groups={"g": list(members)})

    assert payload(facts, {"get_group_capability": ["g", wanted]}) == found


def test_a_capability_is_evaluated_where_it_is_declared():
    shared = MemoryFacts(
        "shared",
        inputs={"port": 80},
        capabilities={"c": {"value": {"ports": [{"get_input": "port"}]}}},
    )
    facts = MemoryFacts(
        inputs={"port": 1}, others={"shared": shared}, label_values={"csys-obj-parent": ["shared"]}
    )

    assert payload(facts, {"get_capability": ["shared", "c", "ports", 0]}) == 80
    assert payload(facts, {"get_environment_capability": ["c", "ports"]}) == [80]
    with pytest.raises(FunctionsEvaluationFailed, match="doesn't exist"):
        payload(facts, {"get_capability": ["shared", "c", "nothing"]})


def test_consumers_are_told_by_labels():
    facts = MemoryFacts(label_values={"csys-consumer-id": ["x", "y"]})

    assert payload(facts, {"get_consumers": "ids"}) == ["x", "y"]
    assert payload(facts, {"get_consumers": "count"}) == 2
    assert payload(facts, {"get_consumers": "names"}) == ["name of x", "name of y"]


def test_a_cycle_fails_each_time_and_nothing_else_does():
    facts = MemoryFacts(inputs={"a": 1})
    facts.capabilities = {"c": {"value": {"get_capability": ["d", "c"]}}}

    for _ in range(60):
        with pytest.raises(FunctionsEvaluationFailed, match="recursion limit"):
            Evaluator(facts).capabilities()

    assert payload(facts, {"get_input": "a"}) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"get_input": "a"}, True),
        ({"deep": [1, {"x": {"concat": []}}]}, True),
        ({"get_input": "a", "second": 1}, False),
        ({"plain": [1, None, "get_input"]}, False),
        (None, False),
    ],
)
def test_functions_are_found_wherever_they_are(value, expected):
    assert has_functions(value) is expected
