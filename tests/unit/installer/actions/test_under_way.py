"""What an unfinished upgrade or restore refuses, and what may run meanwhile."""

import re
import subprocess
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import pytest
import yaml

from installer.actions import may_stop as may_stop_module
from installer.actions import under_way
from installer.actions.backup import take_backup, verify_backup
from installer.actions.change_members import add_nodes, remove_nodes, replace_nodes
from installer.actions.departure import Departure, Place, remember
from installer.actions.install import InstallRequest, install_cluster
from installer.actions.major import MajorRequest, roll_back_postgresql, upgrade_postgresql
from installer.actions.major_record import MajorRecord, keep_major, load_major
from installer.actions.managers import change_cluster_key
from installer.actions.networks import add_networks
from installer.actions.node_mark import Mark, mark_script
from installer.actions.options import RunOptions
from installer.actions.renewal import RenewRequest, renew_certificates
from installer.actions.restart import restart_cluster
from installer.actions.restart_request import RestartRequest
from installer.actions.restore import restore_cluster
from installer.actions.restore_record import RestoreRecord, forget_restore, keep_restore
from installer.actions.restore_target import RestoreRequest
from installer.actions.rollover import RolloverRequest
from installer.actions.rollover_nodes import roll_over_cluster
from installer.actions.under_way import (
    _HARMLESS,
    _SAME_BUNDLE,
    _STOPPING,
    demand_allowed,
    hold_cluster,
    major_mark,
    unfinished,
)
from installer.actions.upgrade_record import Memory, UpgradeRecord
from installer.backup.backup_set import BackupType
from installer.engine.outcome import Outcome, Result
from installer.errors import Refused
from installer.foresight.survival import Layout
from installer.inventory import load_inventory
from installer.status.presence import Presence
from tests.support.cluster import ROOT

LAYOUT = Layout(databases=("db-1", "db-2", "db-3"))

UPGRADE = UpgradeRecord(before="/bundles/old", bundle="/bundles/new", canary="manager-2")
MAJOR = MajorRecord(before=15, wanted=17, leader="db-1")
RESTORING = RestoreRecord(
    target="the end of the archive",
    command="cfy_manager cluster restore",
    label="20260101-020000F",
    node="db-1",
    kept="/data.before-restore",
)
BACKUP = {"repository": "directory", "path": "/srv/backups"}
TELL = SimpleNamespace()


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "ten.yaml"
    document = yaml.safe_load((ROOT / "inventories" / "ten-nodes.yaml").read_text())
    document["settings"]["backup"] = BACKUP
    path.write_text(yaml.safe_dump(document | {"bundle": "/bundles/old"}))
    return load_inventory(path)


def folder_of(inventory):
    folder = inventory.secrets_path.parent / f"{inventory.name}.runs"
    folder.mkdir(exist_ok=True)
    return folder


def begun(inventory, **changes):
    Memory(folder_of(inventory), replace(UPGRADE, **changes))


CONVERGING = {
    "install": lambda path: install_cluster(path, InstallRequest(), TELL),
    "add-node": lambda path: add_nodes(path, (), (), RunOptions(), TELL),
    "remove-node": lambda path: remove_nodes(path, ("db-3",), TELL),
    "replace-node": lambda path: replace_nodes(path, {"db-3": Place()}, TELL),
    "add-networks": lambda path: add_networks(path, (), TELL),
    "update-encryption-key": lambda path: change_cluster_key(path, TELL),
    "restore": lambda path: restore_cluster(path, RestoreRequest(), TELL),
    "rollover": lambda path: roll_over_cluster(path, RolloverRequest(), TELL),
    "postgresql": lambda path: upgrade_postgresql(path, MajorRequest(wanted=17), TELL),
}


@pytest.mark.parametrize("command", CONVERGING.values(), ids=CONVERGING)
def test_what_would_bring_nodes_back_to_the_bundle_before_is_refused(inventory, command):
    begun(inventory)

    with pytest.raises(Refused, match="an upgrade to /bundles/new is under way") as refused:
        command(inventory.path)

    (problem,) = refused.value.problems
    assert problem.code == "upgrade-under-way"
    assert "cfy_manager cluster upgrade" in problem.remedy
    assert "--roll-back" in problem.remedy


CHANGING_DATA = {
    "renew": lambda path: renew_certificates(path, RenewRequest(), TELL),
    **{name: CONVERGING[name] for name in ("restore", "rollover", "update-encryption-key")},
}


@pytest.mark.parametrize("command", CHANGING_DATA.values(), ids=CHANGING_DATA)
def test_what_starts_managers_is_refused_while_data_change_their_version(inventory, command):
    keep_major(folder_of(inventory), MAJOR)

    with pytest.raises(Refused, match="15 to 17 is under way") as refused:
        command(inventory.path)
    assert [problem.code for problem in refused.value.problems] == ["postgresql-under-way"]


NOT_THE_RESTORE = {name: act for name, act in CONVERGING.items() if name != "restore"} | {
    "renew": CHANGING_DATA["renew"],
    "backup": lambda path: take_backup(path, BackupType.FULL, TELL),
    "verify": lambda path: verify_backup(path, None, None, TELL),
}


@pytest.mark.parametrize("command", NOT_THE_RESTORE.values(), ids=NOT_THE_RESTORE)
def test_what_a_restore_has_stopped_is_started_by_the_restore_only(inventory, command):
    """An install would let managers write on data that are about to go."""
    keep_restore(folder_of(inventory), RESTORING)

    with pytest.raises(Refused, match="to the end of the archive is under way") as refused:
        command(inventory.path)

    (problem,) = refused.value.problems
    assert problem.code == "restore-under-way"
    assert RESTORING.command in problem.remedy


@pytest.mark.parametrize("command", ["cluster restore", *sorted(_STOPPING)])
def test_an_unfinished_restore_may_go_on_or_all_may_stop(inventory, command):
    keep_restore(folder_of(inventory), RESTORING)

    demand_allowed(inventory, command)


def test_a_restore_that_ended_stands_in_nobodys_way(inventory):
    keep_restore(folder_of(inventory), RESTORING)
    forget_restore(folder_of(inventory))

    demand_allowed(inventory, "cluster install")


@pytest.mark.parametrize("command", sorted(_HARMLESS | _SAME_BUNDLE))
def test_what_leaves_every_node_its_bundle_may_run(inventory, command):
    begun(inventory)

    demand_allowed(inventory, command)


def test_commands_that_may_run_are_those_that_take_the_lock():
    """A name that was changed in one place only would be refused, or let through."""
    folder = ROOT / "installer" / "actions"
    text = "\n".join(path.read_text() for path in folder.glob("*.py"))
    held = set(re.findall(r'(?:hold_cluster|site_of|managers_of)\(\w+, f?"([^"]+)"', text))
    held |= set(re.findall(r'hold_node\("([^"]+)"', text))
    expanded = {f"cluster {verb}" for verb in ("start", "stop", "reset-admin-password")}

    assert held | expanded >= _HARMLESS | _SAME_BUNDLE


@pytest.mark.parametrize(
    "changes",
    [{"is_finished": True}, {"before": ""}, {"bundle": "/bundles/old"}],
    ids=["finished", "no-way-but-an-install", "the-inventory-names-its-bundle"],
)
def test_an_upgrade_that_an_install_does_not_undo_stands_in_nobodys_way(inventory, changes):
    begun(inventory, **changes)

    demand_allowed(inventory, "cluster install")


def test_past_the_way_back_a_backup_leads_back(inventory):
    begun(inventory, is_contracted=True)

    demand_allowed(inventory, "cluster restore")
    with pytest.raises(Refused, match="restore a backup"):
        demand_allowed(inventory, "cluster install")


def test_two_upgrades_never_wait_for_each_other(inventory):
    """A way back from PostgreSQL 17 that counted as begun would keep the other one waiting."""
    begun(inventory)
    keep_major(folder_of(inventory), replace(MAJOR, is_finished=True))

    with pytest.raises(Refused, match="upgrade-under-way"):
        roll_back_postgresql(inventory.path, TELL, lose_writes=True)

    found = load_major(folder_of(inventory))
    assert found is not None
    assert found.is_finished


def test_a_refused_command_leaves_the_lock_to_the_next(inventory):
    begun(inventory)
    with pytest.raises(Refused), hold_cluster(inventory, "cluster install"):
        pass

    with hold_cluster(inventory, "cluster upgrade"):
        pass


class MarkedNodes:
    """An engine whose nodes bear marks."""

    marks: ClassVar[dict[str, str]] = {}
    asked: ClassVar[list[str]] = []

    def __init__(self, targets):
        self._names = [target.name for target in targets]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def connect(self):
        return {"db-3": "it is lost"}

    def on_each(self, nodes, fn):
        self.asked.extend(nodes)
        return {node: Outcome(value=fn(self._session(node))) for node in nodes}

    def _session(self, node):
        return SimpleNamespace(run=lambda _: Result(0, self.marks.get(node, ""), ""))


@pytest.fixture
def nodes(monkeypatch):
    monkeypatch.setattr(under_way, "Engine", MarkedNodes)
    monkeypatch.setattr(MarkedNodes, "marks", {})
    monkeypatch.setattr(MarkedNodes, "asked", [])
    return MarkedNodes


def mark_text(mark, tmp_path):
    """Return what a node's file holds."""
    subprocess.run(("sh", "-eu", "-c", mark_script(mark, tmp_path)), check=True)
    return (tmp_path / "under-way.json").read_text()


def bundle_mark(inventory):
    begun(inventory)
    mark = unfinished(inventory)
    (folder_of(inventory) / "upgrade.json").unlink()  # another controller began it
    return mark


def test_an_install_by_another_controller_is_refused_by_what_nodes_bear(inventory, nodes, tmp_path):
    nodes.marks["db-2"] = mark_text(bundle_mark(inventory), tmp_path)

    with (
        pytest.raises(Refused, match="under way") as refused,
        hold_cluster(inventory, "cluster install"),
    ):
        pass

    (problem,) = refused.value.problems
    assert (problem.where, problem.code) == ("db-2", "upgrade-under-way")
    assert "controller that began it" in problem.remedy
    assert "db-3" not in nodes.asked


def test_another_controller_may_do_what_the_first_one_may(inventory, nodes, tmp_path):
    nodes.marks["db-2"] = mark_text(bundle_mark(inventory), tmp_path)

    for command in ("cluster restart", "cluster upgrade", "certificates renew"):
        with hold_cluster(inventory, command):
            pass


def test_nodes_are_not_asked_what_this_controller_began_itself(inventory, nodes, tmp_path):
    """With the new bundle in the inventory it may replace a node that was lost meanwhile."""
    nodes.marks["db-2"] = mark_text(bundle_mark(inventory), tmp_path)
    begun(inventory, bundle="/bundles/old")

    with hold_cluster(inventory, "cluster replace-node"):
        assert nodes.asked == []


def test_unmarked_nodes_let_everything_run(inventory, nodes):
    with hold_cluster(inventory, "cluster install"):
        assert "db-1" in nodes.asked


@pytest.mark.parametrize(
    ("mark", "passing"),
    [
        ("bundle", {"stop", "remove", "start", "restart", "dbs reinit", "reset-admin-password"}),
        ("major", {"stop", "remove"}),
    ],
)
def test_a_node_s_own_commands_are_ruled_as_the_cluster_s(inventory, mark, passing):
    found: Mark = bundle_mark(inventory) if mark == "bundle" else major_mark("db-1", MAJOR)
    own = ("install", "start", "stop", "restart", "remove", "add-networks", "dbs reinit")
    commands = (*own, "reset-admin-password", "update-encryption-key")

    assert {command for command in commands if not found.forbids(command)} == passing


OF_MEMBERS = ("add-node", "remove-node", "replace-node")  # they know of each other themselves
WAITING = {name: act for name, act in CONVERGING.items() if name not in OF_MEMBERS} | {
    "restart": lambda path: restart_cluster(path, RestartRequest(), TELL)
}


def leave(inventory, *, has_left=False):
    nodes = tuple(inventory.node(name) for name in ("db-2", "db-3"))
    remember(folder_of(inventory), Departure(verb="remove-node", nodes=nodes, has_left=has_left))


@pytest.mark.parametrize("command", WAITING.values(), ids=WAITING)
def test_what_counts_members_waits_for_those_that_are_leaving(inventory, command):
    """The inventory names them no more, and etcd and the brokers still count them."""
    leave(inventory)

    with pytest.raises(Refused, match="remove-node db-2 db-3` began and has not finished"):
        command(inventory.path)


@pytest.mark.parametrize("command", ["cluster stop", "cluster backup", "certificates renew"])
def test_what_counts_nobody_need_not_wait(inventory, command):
    leave(inventory)

    demand_allowed(inventory, command)


def test_whoever_has_left_is_counted_no_more(inventory):
    leave(inventory, has_left=True)

    demand_allowed(inventory, "cluster install")


def test_members_that_are_leaving_count_where_another_wants_to_stop(inventory, monkeypatch):
    """Of five, two of them dead, none may stop, whatever the inventory has been made."""
    leave(inventory)
    text = inventory.path.read_text()
    document = yaml.safe_load(text)
    document["nodes"] = [n for n in document["nodes"] if n["name"] not in ("db-2", "db-3")]
    inventory.path.write_text(yaml.safe_dump(document))
    seen = []
    monkeypatch.setattr(may_stop_module, "load_cluster", load_inventory)
    monkeypatch.setattr(may_stop_module, "layout_now", lambda found: seen.append(found) or LAYOUT)
    monkeypatch.setattr(may_stop_module, "look_around", lambda _: Presence())

    may_stop_module.ask_may_stop(inventory.path, ["db-1"])

    assert {"db-2", "db-3"} < {node.name for node in seen[0].nodes}
