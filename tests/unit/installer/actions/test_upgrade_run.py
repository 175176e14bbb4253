"""The order of an upgrade's phases, and what becomes of a canary that fails."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from installer.actions import upgrade_canary
from installer.actions.node_mark import Mark
from installer.actions.restart_node import Done
from installer.actions.rollout import TOOLKIT
from installer.actions.upgrade import _demand_way_back, _Turns
from installer.actions.upgrade_canary import Canary
from installer.actions.upgrade_plan import Move, Turn, UpgradePlan
from installer.actions.upgrade_record import Memory, UpgradeRecord, load_record
from installer.actions.upgrade_run import Course, Upgrade, Way
from installer.bundle.model import Bundle
from installer.errors import NotHealthy, Problem, Refused
from installer.events import Outcome
from installer.foresight.restart_order import restart_order
from installer.foresight.stopping import whole
from installer.foresight.survival import Layout
from installer.state import Stage
from installer.status.presence import Presence
from tests.support.bundles import lock_of

ROLES = {"database": ("db-1", "db-2", "db-3"), "queue": ("mq-1",), "manager": ("m-1", "m-2")}
LAYOUT = Layout(databases=ROLES["database"], queues=ROLES["queue"], managers=ROLES["manager"])
STAGES = {n: {role: (Stage(name="s"),), TOOLKIT: ()} for role, ns in ROLES.items() for n in ns}
MOVED = Turn(packages=(Move("p", "1", "2"),))
RECORD = UpgradeRecord(before="old", bundle="new", canary="m-2")


def phases(
    tmp_path, *, record=RECORD, canary_only=False, changed=("database", "manager"), mark=None
):
    turns = {
        node: {role: MOVED for role in roles if role in changed} for node, roles in STAGES.items()
    }
    bundle = Bundle(path=Path("new"), lock=lock_of(), files=())
    plan = UpgradePlan(bundle=bundle, turns=turns)
    order = restart_order(LAYOUT, whole(LAYOUT, Presence()))
    wishes = _Turns(plan=plan, interrupt=False)
    run = Upgrade(None, wishes, None, Way(plan=plan, stages=STAGES), order)
    run._course = Course(
        memory=Memory(tmp_path, record),
        mark=mark,
        end=tuple,
        way_back=lambda: None,
        inventory_path=Path("inventory.yaml"),
        observe_s=0,
        canary_only=canary_only,
    )
    return {phase.name: phase.nodes for phase in run._phases(frozenset(), lambda _: None, "run")}


def test_the_canary_goes_first_and_what_all_managers_must_know_comes_after_them(tmp_path):
    names = [*phases(tmp_path)]

    assert names == [
        "upgrade/transfer",
        "upgrade/canary",
        "upgrade/database",
        "upgrade/feature-flags",
        "upgrade/manager",
        "upgrade/schema",
    ]


def test_every_node_is_marked_before_anything_changes(tmp_path):
    mark = Mark(problem=PROBLEM, passing=frozenset())

    found = phases(tmp_path, mark=mark)

    assert [*found][:2] == ["upgrade/mark", "upgrade/transfer"]
    assert found["upgrade/mark"] == (*STAGES,)


def test_the_primary_is_the_last_database(tmp_path):
    assert phases(tmp_path)["upgrade/database"] == ("db-3", "db-2", "db-1")


def test_the_canary_has_one_turn(tmp_path):
    found = phases(tmp_path)

    assert found["upgrade/canary"] == ("m-2",)
    assert found["upgrade/manager"] == ("m-1",)


def test_a_run_for_the_canary_only_ends_after_it(tmp_path):
    assert [*phases(tmp_path, canary_only=True)] == ["upgrade/transfer", "upgrade/canary"]


def test_a_canary_that_has_proven_itself_is_not_tried_again(tmp_path):
    proven = UpgradeRecord(before="old", bundle="new", canary="m-2", proven=True)

    assert "upgrade/canary" not in phases(tmp_path, record=proven, changed=("database",))


def test_what_follows_all_nodes_is_done_after_a_kill_between(tmp_path):
    """Nodes that are as the bundle says tell nothing of the schema or of feature flags."""
    proven = UpgradeRecord(before="old", bundle="new", canary="m-2", proven=True)

    assert [*phases(tmp_path, record=proven, changed=())] == [
        "upgrade/feature-flags",
        "upgrade/schema",
    ]


@dataclass
class FakeUpgrade:
    """Takes turns; what it tells is dropped."""

    done: Done = field(default_factory=Done)
    turns: list[str] = field(default_factory=list)
    stages: dict[str, object] = field(default_factory=lambda: {"m-2": {"manager": ()}})

    def __call__(self, node):
        self.turns.append(node)
        return self.done

    def tell(self, **what):
        pass


def canary(upgrade, back, proven, returned=(), left=()):
    def is_back():
        returned.append(True)
        return left

    return Canary(
        node="m-2",
        upgrade=upgrade,
        way_back=lambda: back,
        inventory_path=Path("inventory.yaml"),
        observe_s=0,
        is_proven=lambda: proven.append(True),
        is_back=is_back,
    )


MARKED = Problem(where="db-3", what="it keeps the mark", remedy="wait")
PROBLEM = Problem(where="m-2", what="it does not answer", remedy="look")


def fail(*_, **__):
    raise NotHealthy(PROBLEM)


@pytest.mark.parametrize("fails_in", ["its turn", "the sanity check"])
def test_a_canary_that_fails_goes_back(monkeypatch, fails_in):
    monkeypatch.setattr(upgrade_canary, "check_cluster", fail)
    done = Done(problems=(PROBLEM,)) if fails_in == "its turn" else Done()
    back, proven, returned = FakeUpgrade(), [], []

    result = canary(FakeUpgrade(done), back, proven, returned)("upgrade/canary")

    assert back.turns == ["m-2"]
    assert result.outcome is Outcome.FAILED
    assert [problem.code for problem in result.problems] == ["", "canary-rolled-back"]
    assert (proven, returned) == ([], [True])


def test_a_way_back_that_fails_is_told_as_such(monkeypatch):
    monkeypatch.setattr(upgrade_canary, "check_cluster", fail)

    back, returned = FakeUpgrade(Done(problems=(PROBLEM,))), []

    result = canary(FakeUpgrade(), back, [], returned)("upgrade/canary")

    assert result.problems[-1].code == "canary-not-rolled-back"
    assert returned == []


def test_what_speaks_against_the_way_back_is_told_beside_the_cause(monkeypatch):
    """A host that died meanwhile, a bundle that is gone: the canary's own problem is still told."""
    monkeypatch.setattr(upgrade_canary, "check_cluster", fail)
    returned = []
    one = replace(canary(FakeUpgrade(), None, [], returned), way_back=fail)

    result = one("upgrade/canary")

    assert [problem.code for problem in result.problems] == ["", "canary-not-rolled-back"]
    assert returned == []


def test_nodes_that_keep_the_mark_are_told_where_the_canary_is_back(monkeypatch):
    monkeypatch.setattr(upgrade_canary, "check_cluster", fail)

    result = canary(FakeUpgrade(), FakeUpgrade(), [], [], left=(MARKED,))("upgrade/canary")

    assert result.problems[-1] == MARKED


def test_a_canary_that_passes_is_proven_and_stays(monkeypatch):
    monkeypatch.setattr(upgrade_canary, "check_cluster", lambda *_, **__: "m-2")
    back, proven = FakeUpgrade(), []

    result = canary(FakeUpgrade(), back, proven)("upgrade/canary")

    assert result.outcome is Outcome.CHANGED
    assert (back.turns, proven) == ([], [True])


def test_the_record_survives_the_run(tmp_path):
    Memory(tmp_path, RECORD).note(proven=True)

    found = load_record(tmp_path)

    assert found is not None
    assert found.proven


def test_no_upgrade_is_under_way_once_its_canary_is_back(tmp_path):
    Memory(tmp_path, RECORD).forget()

    assert load_record(tmp_path) is None


@pytest.mark.parametrize(
    "record",
    [
        None,
        UpgradeRecord(before="", bundle="new", canary="m-1"),
        UpgradeRecord(before="new", bundle="new", canary="m-1"),
        UpgradeRecord(before="old", bundle="new", canary="m-1", is_contracted=True),
        UpgradeRecord(before="old", bundle="new", canary="m-1", is_finished=True),
    ],
    ids=["none", "unknown", "same", "contracted", "finished"],
)
def test_where_no_way_leads_back_it_is_refused(record):
    with pytest.raises(Refused, match="no-way-back"):
        _demand_way_back(record)
