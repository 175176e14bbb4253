"""Nodes added, removed and changed in an inventory's text; everything else stays as it was."""

import pytest
import yaml

from installer.config.edit import NotEditable
from installer.config.edit_nodes import with_node, with_node_value, without_node

FLOW = """\
# the cluster of the shop
nodes:
  # first room
  - {name: db-1, address: 10.0.0.1, roles: [database]}
  - {name: db-2, address: 10.0.0.2, roles: [database]}  # the loud one
  # second room
  - {name: db-3, address: 10.0.0.3, roles: [database]}
# settings follow
settings: {}
"""
BLOCK = """\
nodes:
- name: db-1
  address: 10.0.0.1
  roles:
  - database  # alone

- name: db-2
  address: 10.0.0.2
  roles:
  - database
"""
NEW = {"name": "db-9", "address": "10.0.0.9", "roles": ["database", "queue"]}


def names(text: str) -> list[str]:
    return [node["name"] for node in yaml.safe_load(text)["nodes"]]


@pytest.mark.parametrize("text", [FLOW, BLOCK, BLOCK.rstrip()], ids=["flow", "block", "no end"])
def test_a_new_node_is_the_last_one(text):
    changed = with_node(text, NEW)

    assert yaml.safe_load(changed)["nodes"][-1] == NEW
    assert names(changed)[:-1] == names(text)


def test_the_line_of_a_new_node_is_all_that_changes():
    changed = with_node(FLOW, NEW)

    (line,) = set(changed.splitlines()) - set(FLOW.splitlines())
    assert line == "  - {name: db-9, address: 10.0.0.9, roles: [database, queue]}"
    assert changed.replace(f"{line}\n", "") == FLOW


def test_comments_around_a_removed_node_stay():
    changed = without_node(FLOW, "db-2")

    assert changed == FLOW.replace(FLOW.splitlines(keepends=True)[4], "")
    assert names(changed) == ["db-1", "db-3"]


@pytest.mark.parametrize("name", ["db-1", "db-2"])
def test_a_node_on_several_lines_is_removed_whole(name):
    changed = without_node(BLOCK, name)

    assert names(changed) == [other for other in ("db-1", "db-2") if other != name]


@pytest.mark.parametrize("text", [FLOW, BLOCK], ids=["flow", "block"])
def test_an_address_changes_in_its_place(text):
    changed = with_node_value(text, "db-2", "address", "10.9.9.9")

    assert changed == text.replace("10.0.0.2", "10.9.9.9")


@pytest.mark.parametrize(
    "text",
    ["nodes: [{name: db-1, address: 10.0.0.1}]\n", "nodes: []\n", "other: 1\n"],
    ids=["one line", "none", "no list"],
)
def test_what_cannot_be_edited_is_said(text):
    with pytest.raises(NotEditable):
        with_node(text, NEW)


def test_a_node_that_others_are_made_of_is_not_removed():
    """db-2 would lose its roles."""
    text = (
        "nodes:\n"
        "  - {name: db-1, address: 10.0.0.1, roles: &all [database]}\n"
        "  - {name: db-2, address: 10.0.0.2, roles: *all}\n"
    )

    with pytest.raises(NotEditable):
        without_node(text, "db-1")
