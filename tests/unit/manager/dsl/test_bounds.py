import textwrap

import pytest
from dsl_parser.exceptions import DSLParsingFormatException

from manager.dsl import bounds
from manager.dsl.parse import InvalidBlueprint, parse_blueprint
from manager.dsl.speed import load_yaml


@pytest.mark.parametrize("depth", [bounds.MAX_DEPTH, 200_000])
def test_what_nests_too_deep_is_refused(depth):
    with pytest.raises(DSLParsingFormatException, match="nests deeper than 100 levels"):
        load_yaml("a: " + "[" * depth + "]" * depth, "f.yaml")


def test_what_nests_just_enough_is_loaded():
    depth = bounds.MAX_DEPTH - 1

    assert load_yaml("a: " + "[" * depth + "]" * depth, "f.yaml")["a"].value != []


def laughs(levels):
    """Each line has the line before ten times."""
    lines = ["l0: &l0 [x]"]
    for level in range(1, levels):
        before = ", ".join([f"*l{level - 1}"] * 10)
        lines.append(f"l{level}: &l{level} [{before}]")
    return "\n".join(lines)


def test_aliases_that_unfold_without_end_are_refused(tmp_path):
    path = tmp_path / "blueprint.yaml"
    definitions = textwrap.indent(laughs(30), "  ")
    path.write_text(
        f"tosca_definitions_version: cloudify_dsl_1_3\ndsl_definitions:\n{definitions}\n"
    )

    with pytest.raises(InvalidBlueprint, match="unfold to more than 2000000 values"):
        parse_blueprint(path)


def test_aliases_within_bounds_are_loaded():
    assert load_yaml(laughs(4), "f.yaml")["l3"].restore()[0][0][0] == ["x"]
