"""How a node is, from what its cluster says of it."""

from pathlib import Path

import pytest

from installer.inventory import load_inventory
from installer.status import collect
from installer.status.model import NodeStatus, Part, ServiceStatus, State, worst_state

ROOT = Path(__file__).parents[4]
REPORT = {
    "services": {
        "db": {"nodes": {"db-1": {"status": "OK"}, "db-2": {"status": "Degraded"}}},
        "broker": {"nodes": {"queue-1": {"status": "Fail"}}},
        "manager": {"nodes": {"manager-1": {"status": "OK"}}},
    }
}
MEMBERS = {
    "members": [{"name": "db-1", "role": "leader"}, {"name": "db-2", "role": "sync_standby"}]
}


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([State.OK, State.UNKNOWN], State.UNKNOWN),
        ([State.UNKNOWN, State.DEGRADED], State.DEGRADED),
        ([State.DOWN, State.UNKNOWN, State.OK], State.DOWN),
        ([], State.UNKNOWN),
    ],
)
def test_a_node_is_as_its_worst_service(states, worst):
    services = {str(n): ServiceStatus(state=state) for n, state in enumerate(states)}

    assert worst_state(states) is worst
    assert NodeStatus(name="n", services=services).state is worst


def statuses(monkeypatch, *, reports=True, silent=()):
    inventory = load_inventory(ROOT / "inventories" / "ten-nodes.yaml")

    def report(_, node):
        if not reports or node.name == "manager-1":  # the next one is asked
            raise ConnectionRefusedError
        return REPORT

    monkeypatch.setattr(collect, "_report", report)
    monkeypatch.setattr(collect, "_patroni", lambda *_: MEMBERS)
    monkeypatch.setattr(collect, "_answers", lambda door: door[0].name not in silent)
    return collect.collect_statuses(inventory)


def test_reports_tell_the_state_and_patroni_the_part(monkeypatch):
    found = statuses(monkeypatch)

    assert (found["db-1"].state, found["db-1"].said) == (State.OK, "leader")
    assert found["db-2"].services["database"].part is Part.SYNCHRONOUS
    assert found["db-2"].state is State.DEGRADED
    assert found["queue-1"].state is State.DOWN


def test_without_reports_the_port_tells(monkeypatch):
    found = statuses(monkeypatch, reports=False, silent={"queue-2"})

    assert found["queue-1"].state is State.OK
    assert found["queue-2"].state is State.DOWN
    assert found["queue-2"].services["queue"].said == "does not answer"


def test_a_silent_node_is_down_whatever_was_reported_before(monkeypatch):
    assert statuses(monkeypatch, silent={"db-1"})["db-1"].state is State.DOWN
