"""What a change of PostgreSQL's major version refuses, before and on its way back."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from installer.actions import major
from installer.actions.change_members import add_nodes, remove_nodes
from installer.actions.halt import start_cluster
from installer.actions.install import InstallRequest, install_cluster
from installer.actions.inventory_file import change_inventory
from installer.actions.major import (
    MajorRequest,
    plan_postgresql,
    roll_back_postgresql,
    upgrade_postgresql,
)
from installer.actions.major_record import (
    MajorRecord,
    forget_major,
    keep_major,
    load_major,
)
from installer.actions.major_rules import (
    Seen,
    inventory_problems,
    node_problems,
    pause_problem,
    standing_problems,
)
from installer.actions.major_sides import with_major
from installer.actions.options import RunOptions
from installer.actions.restart import restart_cluster
from installer.actions.restart_request import RestartRequest
from installer.actions.under_way import demand_allowed
from installer.actions.upgrade import (
    UpgradeRequest,
    plan_cluster_upgrade,
    roll_back,
    upgrade_cluster,
)
from installer.errors import Problem, Refused
from installer.inventory import load_inventory
from installer.lock import hold_lock
from installer.roles.database.major import check_script, convert_script
from installer.status.model import Part
from installer.status.presence import DatabaseMember, Presence
from tests.support.bundles import lock_of, locked_package
from tests.support.cluster import ROOT

GIB = 1 << 30
RECORD = MajorRecord(before=15, wanted=17, leader="db-1")
WHOLE = {
    "db-1": DatabaseMember(etcd=True, part=Part.LEADER, follows=True),
    "db-2": DatabaseMember(etcd=True, part=Part.REPLICA, follows=True),
}


def seen(**changed):
    found = Seen(
        data_bytes=10 * GIB, free_bytes=20 * GIB, has_new_data=False, can_have=True, patroni="4.0.7"
    )
    return {"db-1": replace(found, **changed)}


def side(number, bundle=None):
    data = f"/var/lib/postgresql/{number}/patroni"
    return SimpleNamespace(
        major=number,
        cluster=SimpleNamespace(bundle=bundle),
        settings={"db-1": SimpleNamespace(data_dir=data)},
    )


def bundle(*majors):
    packages = [locked_package(f"postgresql-{number}", "database") for number in majors]
    return SimpleNamespace(path=Path("dist/both"), has_packages=True, lock=lock_of(packages))


def codes(problems):
    return [problem.code for problem in problems]


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "ten.yaml"
    path.write_text((ROOT / "inventories" / "ten-nodes.yaml").read_text())
    return load_inventory(path)


def folder_of(inventory):
    return inventory.secrets_path.parent / f"{inventory.name}.runs"


def test_nodes_with_room_and_both_versions_may_go():
    assert codes(node_problems(seen(), side(15), side(17, bundle(15, 17)))) == []
    assert codes(node_problems(seen(), side(15), side(17))) == []


def test_room_for_both_versions_is_demanded():
    """The old data stay: without them there is no way back."""
    (found,) = node_problems(seen(free_bytes=12 * GIB), side(15), side(17))

    assert found.code == "postgresql-no-room"
    assert "12.0 GiB free" in found.what
    assert "13.0 GiB" in found.what


def test_what_lies_where_the_new_data_will_be_is_not_overwritten():
    (found,) = node_problems(seen(has_new_data=True), side(15), side(17))

    assert found.code == "postgresql-data-in-the-way"
    assert found.where == "/var/lib/postgresql/17/patroni on db-1"


def test_a_bundle_without_the_version_is_refused():
    (found,) = node_problems(seen(), side(15), side(17, bundle(15)))

    assert found.code == "postgresql-not-there"
    assert "--postgresql 15 --postgresql 17" in found.remedy


def test_a_node_whose_sources_lack_the_version_is_refused():
    assert codes(node_problems(seen(can_have=False), side(15), side(17))) == [
        "postgresql-not-there"
    ]


def test_a_patroni_that_does_not_know_the_version_is_refused():
    (found,) = node_problems(seen(patroni="3.0.2-1"), side(15), side(17))

    assert "newer than this Patroni" in found.what


@pytest.mark.parametrize(
    ("presence", "word"),
    [
        (Presence(databases=WHOLE, is_paused=True), "paused"),
        (Presence(databases={"db-2": WHOLE["db-2"]}), "no primary"),
        (Presence(databases={**WHOLE, "db-3": DatabaseMember(etcd=True)}), "db-3"),
    ],
)
def test_the_databases_must_be_whole_and_free_to_act(presence, word):
    (found,) = standing_problems(presence)

    assert found.code == "postgresql-not-ready"
    assert word in found.what


def test_whole_databases_may_begin():
    assert codes(standing_problems(Presence(databases=WHOLE))) == []


def test_the_pause_is_told_and_asked_for():
    found = pause_problem(15, 17)

    assert "nobody can read or write" in found.what
    assert "--interrupt" in found.remedy


def test_an_inventory_that_could_not_name_the_version_is_refused_before(inventory):
    assert codes(inventory_problems(inventory, 17)) == []
    inventory.path.write_text(inventory.path.read_text() + "\nsettings: &s {a: 1}\nother: *s\n")

    assert len([*inventory_problems(inventory, 17)]) == 1


def test_a_side_names_its_version(inventory):
    found = with_major(inventory, 15)

    assert found.settings["postgresql_server"]["major_version"] == 15
    assert found.nodes == inventory.nodes


def test_another_version_is_refused_while_one_is_under_way(inventory):
    keep_major(folder_of(inventory), RECORD)

    with pytest.raises(Refused, match="15 to 17 is under way"):
        upgrade_postgresql(inventory.path, MajorRequest(wanted=18), SimpleNamespace())


def refused_meanwhile(path):
    """Yield what starts services or changes them, and a look at what an upgrade would do."""
    tell, bundle = SimpleNamespace(), UpgradeRequest(bundle=path.parent)
    yield lambda: upgrade_cluster(path, bundle, tell)
    yield lambda: plan_cluster_upgrade(path, bundle)
    yield lambda: roll_back(path, tell)
    yield lambda: plan_postgresql(path, 17)
    yield lambda: install_cluster(path, InstallRequest(), tell)
    yield lambda: start_cluster(path, tell)
    yield lambda: restart_cluster(path, RestartRequest(), tell)
    yield lambda: add_nodes(path, (), (), RunOptions(), tell)
    yield lambda: remove_nodes(path, ("db-3",), tell)


@pytest.mark.parametrize("number", range(9))
def test_nothing_else_begins_while_one_is_under_way(inventory, number):
    """What managers wrote on data that go, nobody would have given up."""
    keep_major(folder_of(inventory), RECORD)

    with pytest.raises(Refused, match="15 to 17 is under way") as refused:
        [*refused_meanwhile(inventory.path)][number]()
    assert codes(refused.value.problems) == ["postgresql-under-way"]


def test_a_finished_change_stands_in_nobodys_way(inventory):
    keep_major(folder_of(inventory), replace(RECORD, is_finished=True))

    demand_allowed(inventory, "cluster install")


def test_there_is_no_way_back_from_nothing(inventory):
    with pytest.raises(Refused, match="no upgrade of PostgreSQL was begun"):
        roll_back_postgresql(inventory.path, SimpleNamespace(), lose_writes=True)


def test_what_managers_wrote_is_lost_only_where_that_is_said(inventory):
    keep_major(folder_of(inventory), replace(RECORD, opened="2026-01-01T00:00:00+00:00"))

    with pytest.raises(Refused, match="--lose-writes"):
        roll_back_postgresql(inventory.path, SimpleNamespace(), lose_writes=False)


def test_a_way_back_that_cannot_begin_changes_nothing(inventory):
    """Were it noted as begun, nothing else could run, and a second one would lose writes."""
    kept = keep_major(
        folder_of(inventory), replace(RECORD, opened="2026-01-01T00:00:00+00:00", is_finished=True)
    )

    with (
        hold_lock(folder_of(inventory) / "lock", "cluster backup"),
        pytest.raises(Refused, match="cluster backup"),
    ):
        roll_back_postgresql(inventory.path, SimpleNamespace(), lose_writes=True)
    assert load_major(folder_of(inventory)) == kept


def test_old_data_that_are_gone_refuse_the_way_back_before_it_begins(inventory, monkeypatch):
    kept = keep_major(folder_of(inventory), replace(RECORD, is_finished=True))
    gone = Problem(where="db-2", what="the data are gone", remedy="stay", code="no-way-back")
    switch = SimpleNamespace(no_way_back=lambda: (gone,))
    monkeypatch.setattr(major, "working", lambda *_: nullcontext((switch, None)))

    with pytest.raises(Refused, match="the data are gone"):
        roll_back_postgresql(inventory.path, SimpleNamespace(), lose_writes=False)
    assert load_major(folder_of(inventory)) == kept


MOVED = {"db-1": WHOLE["db-2"], "db-2": WHOLE["db-1"], "db-3": WHOLE["db-2"]}


class TestWhoseDataAreConverted:
    """The backup before takes hours, and a run may be gone on with days later."""

    @pytest.fixture(autouse=True)
    def nodes(self, monkeypatch):
        def working(inventory, record, *_):
            self.converted = record.leader
            raise Refused(Problem(where="db-1", what="it ends here", remedy=""))

        monkeypatch.setattr(major, "working", working)
        self.found = Presence(databases=MOVED)
        monkeypatch.setattr(major, "look_around", lambda _: self.found)

    def convert(self, inventory, record):
        keep_major(folder_of(inventory), record)
        report = SimpleNamespace(tell=lambda _: None)
        with pytest.raises(Refused) as refused:
            upgrade_postgresql(inventory.path, MajorRequest(wanted=17), report)
        return refused.value.problems[0]

    def test_those_of_the_present_leader(self, inventory):
        self.convert(inventory, RECORD)

        assert self.converted == "db-2"
        kept = load_major(folder_of(inventory))
        assert (kept.leader, kept.stopped) == ("db-2", ""), "nothing has stopped yet"

    def test_those_of_the_last_leader_where_all_have_stopped(self, inventory):
        self.found = Presence()
        self.convert(inventory, replace(RECORD, stopped="2026-01-01T00:00:00+00:00"))

        assert self.converted == "db-1"

    def test_those_that_are_converted_already(self, inventory):
        """Its leader is the new version's: no other has the old data as they ended."""
        change_inventory(inventory, {("settings", "postgresql_server", "major_version"): 17})
        self.convert(inventory, replace(RECORD, stopped="2026-01-01T00:00:00+00:00"))

        assert self.converted == "db-1"

    def test_nobody_s_while_one_does_not_follow(self, inventory):
        self.found = Presence(databases=MOVED | {"db-1": DatabaseMember(etcd=True)})

        assert self.convert(inventory, RECORD).code == "postgresql-not-ready"
        assert load_major(folder_of(inventory)) == RECORD


def test_what_is_known_of_a_change_survives_its_run(tmp_path):
    kept = keep_major(tmp_path, replace(RECORD, stopped="2026-01-01T00:00:00+00:00"))

    assert load_major(tmp_path) == kept
    forget_major(tmp_path)
    assert load_major(tmp_path) is None


def settings(number):
    release = SimpleNamespace(postgresql=number)
    folder = f"/usr/lib/postgresql/{number}/bin"
    data = f"/var/lib/postgresql/{number}/patroni"
    return SimpleNamespace(release=release, bin_dir=folder, data_dir=data)


def test_the_old_data_are_copied_and_never_linked():
    text = convert_script(settings(15), settings(17))

    assert "--copy" in text
    assert "--clone" in text
    assert "--link" not in text


def test_the_new_folder_appears_whole():
    """What a killed run has half made is in another folder, which is made anew."""
    lines = convert_script(settings(15), settings(17)).splitlines()

    assert lines.index('mv -T "$work/data" "$new_data"') > lines.index('convert "$(mode)"')
    assert "new_data=/var/lib/postgresql/17/patroni" in " ".join(lines)


def test_a_trial_stops_nothing():
    lines = check_script(settings(15), settings(17)).splitlines()
    text = "\n".join(lines[lines.index("flock -w 43200 9") :])

    assert "convert --check" in text
    assert "quiet " not in text
    assert "mv " not in text
