"""A cluster goes as a whole, in the right order, and not while something depends on it."""

import pytest

from installer.actions import remove_cluster as action
from installer.actions.node_phases import NodePhases
from installer.errors import NotHealthy, Problem, Refused
from installer.state import ManagedFile, NodeState, Stage, Unit

ETCD = Stage(
    name="database/etcd",
    state=NodeState(
        files=(ManagedFile(path="/etc/etcd/etcd.yml", content=b""),), units=(Unit(name="etcd"),)
    ),
)
PATRONI = Stage(name="database/patroni", state=NodeState(units=(Unit(name="patroni"),)))
HAPROXY = Stage(name="loadbalancer/haproxy", state=NodeState(units=(Unit(name="haproxy"),)))
STAGES = {"db-1": {"database": (ETCD, PATRONI)}, "lb-1": {"loadbalancer": (HAPROXY,)}}


def test_services_stop_clients_first_and_then_every_host_is_cleared_at_once():
    phases = list(action._phases(STAGES, NodePhases(engine=None, notify=None, run="r")))

    assert [(phase.name, phase.nodes) for phase in phases] == [
        ("stop/loadbalancer/haproxy", ("lb-1",)),
        ("stop/database/patroni", ("db-1",)),
        ("stop/database/etcd", ("db-1",)),
        ("remove/all", ("db-1", "lb-1")),
    ]
    assert phases[-1].needs == ("stop/database/etcd",)


def test_a_host_loses_what_all_its_roles_brought():
    whole = action._whole(STAGES["db-1"])

    assert [unit.name for unit in whole.state.units] == ["etcd", "patroni"]
    assert [file.path for file in whole.state.files] == ["/etc/etcd/etcd.yml"]


class Inventory:
    name = "mine"


@pytest.fixture
def rest(monkeypatch):
    """Answer, or raise, what the test puts in."""
    answers = []

    class Rest:
        def call(self, _method, path):
            assert "_all_tenants=true" in path
            if isinstance(answers[0], Exception):
                raise answers[0]
            return {"metadata": {"pagination": {"total": answers[0]}}}

    class Cluster:
        address = "10.0.0.1"

    monkeypatch.setattr(action, "open_kept", lambda _: Cluster)
    monkeypatch.setattr(action, "administrator", lambda *_: Rest())
    return answers


def test_a_cluster_that_manages_deployments_is_not_removed(rest):
    rest.append(3)

    with pytest.raises(Refused) as caught:
        action._demand_no_deployments(Inventory, print)

    (problem,) = caught.value.problems
    assert "3 deployments" in problem.what
    assert "--abandon-deployments" in problem.remedy


def test_a_cluster_without_deployments_may_go(rest):
    rest.append(0)

    action._demand_no_deployments(Inventory, print)


def test_that_nobody_answers_is_told_and_forbids_nothing(rest):
    """A cluster that is broken must be removable."""
    rest.append(NotHealthy(Problem(where="x", what="no answer", remedy="y")))
    told = []

    action._demand_no_deployments(Inventory, told.append)

    assert "no answer" in told[0]
