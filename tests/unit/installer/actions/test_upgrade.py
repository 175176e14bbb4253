"""How an upgrade ends, begins over another one, and is taken back while a host is away."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from installer.actions import upgrade
from installer.actions.upgrade import UpgradeRequest, _end, _finish, _follow
from installer.actions.upgrade_record import Memory, UpgradeRecord, load_record
from installer.engine.outcome import Outcome
from installer.errors import Problem, Refused
from installer.inventory import load_inventory
from tests.support.cluster import ROOT

RECORD = UpgradeRecord(before="/old", bundle="/new", canary="manager-1", proven=True)
AWAY = Problem(where="db-3", what="it did not answer", remedy="look")


class Nodes:
    """Nodes that take the mark away, and those that are away themselves."""

    def __init__(self, *away):
        self._away = away
        self.unmarked = []

    def on_each(self, nodes, _act):
        self.unmarked += [node for node in nodes if node not in self._away]
        return {n: Outcome(error=AWAY if n in self._away else None) for n in nodes}


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "ten.yaml"
    text = (ROOT / "inventories" / "ten-nodes.yaml").read_text()
    path.write_text(text.replace("bundle: dist/bundle", "bundle: /old"))
    return load_inventory(path)


def folder_of(inventory):
    folder = upgrade.runs_folder(inventory)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def opened(inventory, engine, record=None, bundle="/new"):
    plan = SimpleNamespace(bundle=SimpleNamespace(path=Path(bundle)))
    return SimpleNamespace(
        cluster=SimpleNamespace(inventory=inventory),
        engine=engine,
        way=SimpleNamespace(plan=plan, stages={"db-1": {}, "db-3": {}}),
        record=record,
    )


def named(inventory):
    return load_inventory(inventory.path).bundle_path


def test_the_inventory_names_the_bundle_when_the_upgrade_has_ended(inventory):
    folder = folder_of(inventory)
    Memory(folder, RECORD)

    _finish(opened(inventory, Nodes()), folder)

    assert named(inventory) == Path("/new")
    assert load_record(folder).is_finished


def test_an_upgrade_is_not_over_before_the_inventory_names_its_bundle(inventory, monkeypatch):
    """Else the next install would take every node back, on a schema that the old one cannot use."""
    folder, nodes = folder_of(inventory), Nodes()
    Memory(folder, RECORD)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upgrade, "change_inventory", full)
    with pytest.raises(OSError, match="No space"):
        _finish(opened(inventory, nodes), folder)

    assert load_record(folder).is_under_way
    assert nodes.unmarked == []


def test_an_upgrade_whose_marks_stay_somewhere_can_be_ended_by_the_next_run(inventory):
    folder = folder_of(inventory)
    Memory(folder, RECORD)

    with pytest.raises(upgrade.PhaseFailed):
        _finish(opened(inventory, Nodes("db-3")), folder)

    assert load_record(folder).is_under_way
    assert named(inventory) == Path("/new"), "nothing is forbidden meanwhile"


def test_what_was_taken_back_is_forgotten(inventory):
    folder, nodes = folder_of(inventory), Nodes()

    assert _end(nodes, inventory, Memory(folder, RECORD)) == ()

    assert load_record(folder) is None
    assert nodes.unmarked == [node.name for node in inventory.nodes]


def test_a_node_that_was_away_keeps_its_mark_and_another_way_back_takes_it(inventory):
    folder = folder_of(inventory)

    (left,) = _end(Nodes("db-3"), inventory, Memory(folder, RECORD))

    assert left.where == "db-3"
    assert "--roll-back" in left.remedy
    known = load_record(folder)
    assert not known.is_under_way
    assert upgrade._demand_way_back(known) == known


@pytest.fixture
def runs(monkeypatch):
    """Let a run begin as far as its record; return what it would do."""
    seen = []

    class Run:
        def __init__(self, *_):
            self.nodes = {"manager": ["manager-1"]}

        def demand_no_pause(self):
            pass

        def follow(self, course, _notify):
            seen.append(course.memory.record)
            raise Refused(AWAY)

    monkeypatch.setattr(upgrade, "Upgrade", Run)
    monkeypatch.setattr(upgrade, "journaled", lambda *_: nullcontext())
    for name in ("layout_now", "look_around", "restart_order"):
        monkeypatch.setattr(upgrade, name, lambda *_: None)
    return seen


@pytest.mark.parametrize("is_contracted", [True, False])
def test_another_bundle_does_not_forget_that_the_old_release_no_longer_fits(
    inventory, runs, is_contracted
):
    folder = folder_of(inventory)
    left = replace(RECORD, is_contracted=is_contracted)
    Memory(folder, left)

    with pytest.raises(Refused):
        _follow(opened(inventory, Nodes(), bundle="/newer"), UpgradeRequest(), None, folder)

    (record,) = runs
    assert (record.bundle, record.proven) == ("/newer", False)
    assert record.is_contracted is is_contracted
    assert load_record(folder) == left, "nothing has begun, so what had begun before is known still"


def test_a_first_run_that_is_refused_leaves_nothing_under_way(inventory, runs):
    folder = folder_of(inventory)

    with pytest.raises(Refused):
        _follow(opened(inventory, Nodes()), UpgradeRequest(), None, folder)

    assert load_record(folder) is None
