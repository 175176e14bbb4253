"""The picture of a cluster: everything is on it, nothing covers another thing."""

import itertools
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from installer.foresight.drawing.layout import layout_of
from installer.foresight.drawing.mermaid import mermaid
from installer.foresight.drawing.plain import plain
from installer.foresight.drawing.svg import svg
from installer.foresight.topology import topology_of
from installer.inventory import load_inventory
from installer.status.model import NodeStatus, Part, ServiceStatus, State

ROOT = Path(__file__).parents[4]
NAMES = ("all-in-one", "external-database", "ten-nodes", "three-nodes")
LIVE = {
    "db-1": NodeStatus(
        name="db-1",
        services={"database": ServiceStatus(state=State.OK, part=Part.LEADER)},
    ),
    "queue-2": NodeStatus(name="queue-2", services={"queue": ServiceStatus(state=State.DOWN)}),
}
MIXED = """\
cluster: {name: mixed}
nodes:
  - {name: core-1, address: 10.77.0.11, roles: [database, queue], zone: a}
  - {name: core-2, address: 10.77.0.12, roles: [database, queue], zone: b}
  - {name: core-3, address: 10.77.0.13, roles: [database]}
  - {name: core-4, address: 10.77.0.14, roles: [queue, manager], zone: a}
  - {name: manager-1, address: 10.77.0.15, roles: [manager], zone: a}
"""


def topology(name):
    return topology_of(load_inventory(ROOT / "inventories" / f"{name}.yaml"))


@pytest.fixture
def mixed(tmp_path):
    path = tmp_path / "mixed.yaml"
    path.write_text(MIXED)
    return topology_of(load_inventory(path))


def texts(drawn):
    return [element.text for element in ElementTree.fromstring(drawn).iter() if element.text]


@pytest.mark.parametrize("name", NAMES)
def test_every_node_with_its_address_is_drawn(name):
    inventory = load_inventory(ROOT / "inventories" / f"{name}.yaml")

    for drawn in (svg(topology(name)), mermaid(topology(name)), plain(topology(name))):
        for node in inventory.nodes:
            assert node.name in drawn
            assert node.address in drawn


@pytest.mark.parametrize("name", NAMES)
def test_groups_and_labels_cover_nothing(name):
    assert_free(layout_of(topology(name)))


def test_groups_of_mixed_roles_cover_nothing(mixed):
    assert_free(layout_of(mixed))


def assert_free(layout):
    for one, other in itertools.combinations([placed.box for placed in layout.groups], 2):
        beside = one.right <= other.x or other.right <= one.x
        above = one.bottom <= other.y or other.bottom <= one.y
        assert beside or above
    for route in layout.routes:
        x, y = route.label_at
        for box in (placed.box for placed in layout.groups):
            assert not (box.x < x < box.right and box.y < y < box.bottom), route.arrow
    for placed in layout.groups:
        assert placed.box.x >= 0
        assert placed.box.right <= layout.width
        assert placed.box.bottom <= layout.height


def test_labels_in_one_gap_do_not_cover_each_other(mixed):
    routes = layout_of(mixed).routes

    spots = [(*route.label_at, 16 * len(route.lines)) for route in routes]
    for (x, y, height), (other_x, other_y, other_height) in itertools.combinations(spots, 2):
        if abs(x - other_x) < 60:
            assert abs(y - other_y) >= (height + other_height) / 2


def test_an_arrow_ends_at_the_edges_of_its_groups(mixed):
    layout = layout_of(mixed)
    boxes = {placed.group.key: placed.box for placed in layout.groups}

    for route in layout.routes:
        for (x, y), key in (
            (route.points[0], route.arrow.source),
            (route.points[-1], route.arrow.target),
        ):
            box = boxes[key]
            assert x in (box.x, box.right) or y == box.y
            assert box.x <= x <= box.right
            assert box.y <= y <= box.bottom


def test_one_arrow_stands_for_all_links_between_two_groups():
    ten = topology("ten-nodes")

    between = [(arrow.source, arrow.target) for arrow in ten.arrows]
    assert len(between) == len(set(between)) < 12
    (to_database,) = [a for a in ten.arrows if (a.source, a.target) == ("manager", "database")]
    assert to_database.labels == ("PostgreSQL 5432",)
    assert "replication 5432" in ten.group("database").among


def test_what_is_external_is_told_from_what_is_ours():
    drawn = svg(topology("external-database"))

    assert 'class="group away"' in drawn
    assert "External databases" in drawn


def test_the_picture_suits_dark_pages_and_is_alike_each_time():
    first, second = svg(topology("ten-nodes")), svg(topology("ten-nodes"))

    assert first == second
    assert "prefers-color-scheme: dark" in first


def test_names_cannot_break_the_picture():
    ten = replace(topology("ten-nodes"), name='a <b> & "c"')

    assert ElementTree.fromstring(svg(ten)).get("aria-label") == 'Cluster a <b> & "c"'


def test_a_live_picture_tells_how_nodes_are():
    drawn = svg(topology("ten-nodes"), LIVE)

    assert {"leader", "down", "unknown"} <= set(texts(drawn))
    assert "<br/>leader" in mermaid(topology("ten-nodes"), LIVE)
    assert re.search(r"queue-2 .*down", plain(topology("ten-nodes"), LIVE))


def test_the_picture_in_the_documentation_is_current():
    """Else: `cluster graph -i inventories/ten-nodes.yaml -o docs/howto/images/ten-nodes.svg`."""
    kept = (ROOT / "docs" / "howto" / "images" / "ten-nodes.svg").read_text()

    assert kept == svg(topology("ten-nodes"))
