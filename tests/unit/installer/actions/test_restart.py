"""Which nodes a rolling restart takes, in which order, and when it refuses to begin."""

import re

import pytest

from installer.actions.restart import RollingRestart, _needed
from installer.actions.restart_request import RestartRequest, demand_met
from installer.errors import ConfigError, Refused
from installer.foresight.restart_order import restart_order
from installer.foresight.stopping import whole
from installer.foresight.survival import Layout
from installer.inventory import load_inventory
from installer.state import Stage
from installer.status.presence import Presence
from tests.support.cluster import ROOT

LAYOUT = Layout(databases=("db-1", "db-2", "db-3"), managers=("m-1", "m-2"), balancers=("lb-1",))
STAGES = {
    **{name: {"database": (Stage(name="s"),)} for name in LAYOUT.databases},
    **{name: {"manager": (Stage(name="s"),)} for name in LAYOUT.managers},
    "lb-1": {"loadbalancer": (Stage(name="s"),)},
}


def restart(**asked):
    order = restart_order(LAYOUT, whole(LAYOUT, Presence()))
    return RollingRestart(None, RestartRequest(**asked), None, STAGES, order)


def test_the_primary_is_the_last_database():
    assert restart().nodes["database"] == ["db-3", "db-2", "db-1"]


def test_only_what_was_asked_for_restarts():
    wanted = restart(roles=("database", "manager"), nodes=("db-2", "m-1")).nodes

    assert {role: nodes for role, nodes in wanted.items() if nodes} == {
        "database": ["db-2"],
        "manager": ["m-1"],
    }


def test_a_role_of_one_node_is_refused_by_name():
    with pytest.raises(Refused, match="lb-1: entry: no load balancer is left"):
        restart().demand_no_pause()


def test_a_role_of_one_node_that_is_left_out_refuses_nothing():
    restart(roles=("database", "manager")).demand_no_pause()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"roles": ("database",), "nodes": ("m-1",)}, "m-1: it has no such role.*of: manager"),
        (
            {"roles": ("database",), "nodes": ("m-1",)},
            "database: no such node.*of: db-1,",
        ),
        ({"roles": ("database", "manager"), "nodes": ("m-1",)}, "database: no such node"),
        ({"roles": ("queue",)}, "queue: no such node.*none is here"),
    ],
)
def test_what_is_named_and_would_restart_nothing_is_told(asked, said):
    """An empty table looks like a restart that was done."""
    with pytest.raises(ConfigError) as caught:
        demand_met(RestartRequest(**asked), STAGES)

    assert re.search(said, str(caught.value), re.DOTALL)


def test_what_is_met_by_something_is_not_in_the_way():
    demand_met(RestartRequest(roles=("database", "manager"), nodes=("db-2", "m-1")), STAGES)
    demand_met(RestartRequest(), STAGES)


@pytest.mark.parametrize(
    ("asked", "needed"),
    [
        ({"nodes": ("db-2",)}, {"db-2"}),
        ({"roles": ("manager",)}, {"manager-1", "manager-2", "manager-3"}),
        ({"roles": ("reporter",), "nodes": ("lb-1",)}, {"lb-1"}),
    ],
)
def test_only_nodes_that_have_a_turn_must_answer(asked, needed):
    """The others are minded by the rules: that is when a restart of one is needed most."""
    inventory = load_inventory(ROOT / "inventories" / "ten-nodes.yaml")

    assert _needed(inventory, RestartRequest(**asked)) == needed
    assert _needed(inventory, RestartRequest()) == {node.name for node in inventory.nodes}
