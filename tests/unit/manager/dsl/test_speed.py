"""The parser with our replacements gives what it gives without them."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from dsl_parser import yaml_loader
from dsl_parser.exceptions import DSLParsingInputTypeException
from dsl_parser.holder import Holder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manager.dsl import speed
from manager.dsl.parse import InvalidBlueprint, parse_blueprint
from manager.dsl.plan import prepare_deployment
from tests.support.full_blueprint import everything

PLANS = """
import itertools, json, sys, types
from pathlib import Path
from dsl_parser import rel_graph, tasks
from manager.dsl import speed
if sys.argv[1] == "original":
    speed.install = lambda: None
from manager.dsl.parse import parse_blueprint
from manager.dsl.plan import prepare_deployment
from tests.support.full_blueprint import everything
numbers = map(str, itertools.count(100000))
rel_graph.generate_id = lambda: next(numbers)
found = {}
for path in sys.argv[2:]:
    plan = parse_blueprint(Path(path))
    found[path] = [plan, prepare_deployment(plan, {"size": 2}, everything.surroundings)]
patched = not isinstance(tasks.copy, types.ModuleType)
json.dump([patched, found], sys.stdout, default=repr)
"""
VERSIONS = ("1_3", "1_4", "1_5")


@pytest.fixture(scope="module")
def parsed(tmp_path_factory):
    """Return what both parsers make of a blueprint of each version, and whether they are changed.

    A process of its own for each parser: what replaces its functions stays.
    """
    paths = {}
    for version in VERSIONS:
        paths[version] = str(everything(tmp_path_factory.mktemp(version), version))
    made = {}
    for parser in ("original", "ours"):
        is_changed, by_path = plans(parser, *paths.values())
        made[parser] = is_changed, {version: by_path[path] for version, path in paths.items()}
    return made


def plans(parser, *paths):
    """Return whether the parser was changed, and of each blueprint both plans; no random ids."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLANS, parser, *paths],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[4],
        env={"PYTHONHASHSEED": "0", "PYTHONPATH": "."},
    )
    return json.loads(result.stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_plans_are_those_of_the_untouched_parser(parsed, version):
    theirs_changed, theirs = parsed["original"]
    ours_changed, ours = parsed["ours"]

    assert ours[version] == theirs[version]
    assert (theirs_changed, ours_changed) == (False, True)


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PLAIN)
def test_a_copy_of_plain_data_is_equal_and_shares_nothing_that_changes(value):
    clone = speed.copy_plain(value)

    assert clone == value
    assert ids(clone).isdisjoint(ids(value))


def ids(value):
    if isinstance(value, dict):
        return {id(value)}.union(*(ids(item) for item in value.values()))
    return {id(value)}.union(*map(ids, value)) if isinstance(value, list) else set()


def test_what_is_not_plain_is_copied_as_ever():
    value = {"set": {1, 2}, "tuple": ([1],)}

    clone = speed.copy_plain(value)

    assert clone == value
    assert clone["tuple"][0] is not value["tuple"][0]


def places(holder):
    """Return a holder with the places of its values, but the ends, which no message tells."""
    inner = holder.value
    if isinstance(inner, dict):
        inner = [(places(key), places(value)) for key, value in inner.items()]
    elif isinstance(inner, list):
        inner = [places(item) for item in inner]
    return holder.start_line, holder.start_column, holder.filename, inner


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text("ab:- '\"#", min_size=1, max_size=8), PLAIN, max_size=4))
def test_yaml_is_loaded_with_the_same_places(value):
    text = json.dumps(value)

    ours = speed.load_yaml(text, "f.yaml")

    theirs = yaml_loader.MarkedLoader(text, "f.yaml").get_single_data()
    assert places(ours) == places(theirs)


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\tx: 1", "a: 'b", "a: *nowhere", "a: !no 1"])
def test_broken_yaml_is_explained_as_ever(text):
    with pytest.raises(Exception) as ours:  # noqa: PT011 - the same as theirs, whatever it is
        speed.load_yaml(text, "f.yaml")
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        yaml_loader.MarkedLoader(text, "f.yaml").get_single_data()

    assert (type(ours.value), str(ours.value)) == (type(theirs.value), str(theirs.value))


def test_text_beyond_ascii_is_refused_as_ever():
    with pytest.raises(DSLParsingInputTypeException, match="line: 0, column: 3"):
        speed.load_yaml("a: é", "f.yaml")


def test_an_empty_file_is_an_empty_document():
    assert speed.load_yaml("", "f.yaml") == Holder.of({})


def test_a_cycle_of_relationships_is_told(tmp_path):
    path = tmp_path / "blueprint.yaml"
    relationship = "[{type: cloudify.relationships.depends_on, target: %s}]"
    path.write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\n"
        "imports: [cloudify/types/types.yaml]\n"
        "node_templates:\n"
        f"  a: {{type: cloudify.nodes.Root, relationships: {relationship % 'b'}}}\n"
        f"  b: {{type: cloudify.nodes.Root, relationships: {relationship % 'a'}}}\n"
    )

    with pytest.raises(InvalidBlueprint, match=r"Circular dependency detected: [ab] --> [ab] -->"):
        parse_blueprint(path)


def test_a_deployment_leaves_the_blueprint_s_plan_as_it_was(tmp_path):
    plan = parse_blueprint(everything(tmp_path, "1_3"))
    before = copy.deepcopy(plan)

    prepare_deployment(plan, {"size": 2}, everything.surroundings)

    assert plan == before
