"""Parameters of executions: types, defaults, constraints, and what is undeclared."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.services.execution_errors import IllegalExecutionParameters
from manager.services.workflow_parameters import merged_parameters

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TYPES = ["integer", "float", "boolean", "string", "textarea", "dict", "list", "regex", None]


def merge(declarations, given, **options):
    return merged_parameters("w", declarations, given, **{"allow_custom": False, **options})


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("integer", "7", 7),
        ("integer", 7.0, 7),
        ("float", "1.5", 1.5),
        ("float", 2, 2.0),
        ("boolean", "True", True),
        ("boolean", False, False),
        ("string", "7", "7"),
        ("dict", {"a": 1}, {"a": 1}),
        ("list", [1, "x"], [1, "x"]),
        (None, object, object),
        ("integer", {"get_input": "port"}, {"get_input": "port"}),
    ],
)
def test_values_become_what_the_workflow_declares(kind, given, value):
    assert merge({"p": {"type": kind}}, {"p": given}) == {"p": value}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("integer", "x"),
        ("integer", True),
        ("integer", 7.5),
        ("integer", None),
        ("float", "x"),
        ("float", True),
        ("boolean", "yes"),
        ("boolean", 1),
        ("string", 7),
        ("dict", []),
        ("list", "abc"),
    ],
)
def test_other_values_are_refused(kind, given):
    with pytest.raises(IllegalExecutionParameters, match=f'"p" must be of type {kind}'):
        merge({"p": {"type": kind}}, {"p": given})


def test_items_of_lists_have_types_too():
    declared = {"p": {"type": "list", "item_type": "integer"}}

    assert merge(declared, {"p": ["1", 2]}) == {"p": [1, 2]}
    with pytest.raises(IllegalExecutionParameters, match="list of integer"):
        merge(declared, {"p": ["x"]})


def test_defaults_fill_what_is_not_given():
    declared = {"a": {"default": 1}, "b": {"default": None}, "c": {"default": 3}}

    assert merge(declared, {"c": 4}) == {"a": 1, "b": None, "c": 4}


def test_what_has_no_default_is_needed():
    with pytest.raises(IllegalExecutionParameters, match="needs these parameters: a, b"):
        merge({"a": {}, "b": {"type": "string"}, "c": {"required": False}}, {})


def test_undeclared_parameters_are_refused_unless_allowed():
    with pytest.raises(IllegalExecutionParameters, match="x, y"):
        merge({}, {"y": 1, "x": 2})

    assert merge({}, {"y": 1}, allow_custom=True) == {"y": 1}


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ({"greater_than": 3}, 4, 3),
        ({"in_range": [1, 2]}, 1, 0),
        ({"valid_values": [1, 9]}, 9, 2),
    ],
)
def test_constraints_are_kept(constraint, good, bad):
    declared = {"p": {"type": "integer", "constraints": [constraint]}}

    assert merge(declared, {"p": good}) == {"p": good}
    with pytest.raises(IllegalExecutionParameters, match="does not meet its constraints"):
        merge(declared, {"p": bad})


def test_a_declaration_may_be_used_again():
    """The parser takes error messages out of the declarations that it reads."""
    declared = {
        "p": {"type": "string", "constraints": [{"pattern": "a+", "error_message": "only a"}]}
    }

    for _ in range(2):
        with pytest.raises(IllegalExecutionParameters, match="only a"):
            merge(declared, {"p": "b"})


class Lookup:
    """A deployment with one node."""

    def has_deployment_id(self):
        return True

    def has_blueprint_id(self):
        return True

    def get(self, data_type, value, **_constraints):
        return {value} & {"vm"}


def test_entities_must_exist():
    declared = {"p": {"type": "list", "item_type": "node_id", "default": []}}

    assert merge(declared, {"p": ["vm"]}, lookup=Lookup()) == {"p": ["vm"]}
    assert merge(declared, {}, lookup=Lookup()) == {"p": []}
    with pytest.raises(IllegalExecutionParameters):
        merge(declared, {"p": ["vm", "db"]}, lookup=Lookup())
    with pytest.raises(IllegalExecutionParameters, match="must be of type list of node_id"):
        merge(declared, {"p": [["vm"]]}, lookup=Lookup())


@given(st.sampled_from(TYPES), st.sampled_from([*TYPES, "node_id"]), JSON)
def test_any_value_is_taken_or_refused_in_words(kind, item_kind, value):
    declared = {"p": {"type": kind, "item_type": item_kind if kind == "list" else None}}

    with suppress(IllegalExecutionParameters):
        assert list(merge(declared, {"p": value}, lookup=Lookup())) == ["p"]
