"""Services go the way they came, backwards; what others need and what was there before stays."""

import os
import signal
import subprocess
import threading

import pytest

from installer.engine.node import record
from installer.engine.node import removal as node_removal
from installer.engine.node.dpkg import needed_by
from installer.engine.removal import removal
from installer.state import (
    Directory,
    ManagedFile,
    NodeState,
    Package,
    Stage,
    Unit,
    UnitTarget,
    User,
)

ETCD = Stage(
    name="etcd",
    state=NodeState(
        packages=(Package("etcd-server"),),
        directories=(Directory(path="/etc/etcd", group="etcd"),),
        files=(ManagedFile(path="/etc/etcd/etcd.yml", content=b"", owner="etcd"),),
        units=(Unit(name="etcd.service"), Unit(name="old.service", target=UnitTarget.MASKED)),
        data=("/var/lib/etcd",),
    ),
)
PATRONI = Stage(name="patroni", state=NodeState(units=(Unit(name="patroni.service"),)))
WEB = Stage(
    name="web",
    state=NodeState(
        packages=(Package("nginx"),),
        users=(User(name="cfyuser"),),
        directories=(Directory(path="/etc/etcd"),),
    ),
)


def test_units_stop_in_the_reverse_order_of_their_start():
    """Patroni lives on etcd: without it, it would demote the primary and wait."""
    assert removal((ETCD, PATRONI), ()).units == ("patroni.service", "etcd.service")


def test_files_directories_data_and_owners_of_a_stage_go():
    gone = removal((ETCD,), ())

    assert gone.files == ("/etc/etcd/etcd.yml",)
    assert gone.trees == ("/var/lib/etcd", "/etc/etcd")
    assert "etcd" in gone.users
    assert gone.masked == ("old.service",)
    assert gone.is_whole


def test_what_is_not_the_node_s_alone_stays_whoever_leaves():
    """Each database has the backups of all of them mounted."""
    shared = Directory(path="/mnt/backups/production", is_shared=True)
    around = Directory(path="/mnt/backups")
    leaving = Stage(name="patroni", state=NodeState(directories=(around, shared)))

    gone = removal((leaving, ETCD), ())

    assert "/mnt/backups/production" not in gone.trees
    assert "/mnt/backups/production" in gone.kept


def test_a_tree_stays_that_has_something_below_which_is_kept(tmp_path):
    (tmp_path / "backups" / "production").mkdir(parents=True)

    assert node_removal._delete([f"{tmp_path}/backups"], [f"{tmp_path}/backups/production"]) == []
    assert (tmp_path / "backups" / "production").is_dir()


def test_what_a_remaining_stage_has_too_stays():
    gone = removal((ETCD,), (WEB,))

    assert gone.trees == ("/var/lib/etcd",)
    assert "/etc/etcd" in gone.kept
    assert gone.needs == ("nginx",)
    assert not gone.is_whole
    assert "root" not in gone.users


PACKAGES = {
    "rabbitmq": {"Depends": "erlang (>= 1:25) | esl-erlang, adduser", "Pre-Depends": "init"},
    "erlang": {"Depends": "libc6, libncurses"},
    "systemd": {"Provides": "init, logind (= 1)"},
    "libncurses": {"Depends": "libc6:any"},
    "libc6": {},
    "nginx": {"Depends": "libc6"},
}


def test_dependencies_are_followed_through_alternatives_and_provided_names():
    assert needed_by({"rabbitmq"}, PACKAGES) == {
        "rabbitmq",
        "erlang",
        "systemd",
        "libncurses",
        "libc6",
    }


def test_an_absent_package_needs_nothing():
    assert needed_by({"gone"}, PACKAGES) == set()


@pytest.fixture
def node(monkeypatch, tmp_path):
    """A node whose record and packages are data of the test, and whose tools only take notes."""
    commands = []

    def run_command(words, **_):
        commands.append(words)
        return {"code": 0, "stdout": "", "stderr": ""}

    def write(entries):
        for entry in entries:
            (tmp_path / entry["path"].rpartition("/")[2]).write_bytes(entry["content"])

    monkeypatch.setattr(record, "HOME", str(tmp_path))
    monkeypatch.setattr(record, "write_files", write)
    monkeypatch.setattr(node_removal, "run_command", run_command)
    monkeypatch.setattr(node_removal, "present_packages", lambda: PACKAGES)
    return commands


def purged(commands):
    return next((words[3:] for words in commands if "--purge" in words), [])


def test_only_what_we_brought_is_purged(node):
    record.record("packages", {"rabbitmq", "erlang", "libncurses"})

    node_removal._purge(set())

    assert purged(node) == ["erlang", "libncurses", "rabbitmq"]
    assert record.recorded("packages") == set()


def test_a_package_that_something_of_others_depends_on_stays(node):
    """The administrator installed rabbitmq later, on top of what came with us."""
    record.record("packages", {"erlang", "libncurses", "nginx"})

    node_removal._purge(set())

    assert purged(node) == ["nginx"]
    assert record.recorded("packages") == {"erlang", "libncurses"}


def test_what_a_remaining_service_needs_stays(node):
    record.record("packages", {"rabbitmq", "erlang", "libncurses", "nginx"})

    node_removal._purge({"rabbitmq"})

    assert purged(node) == ["nginx"]


def test_only_what_came_meanwhile_is_recorded_even_when_the_installation_fails(node, monkeypatch):
    there = {"packages": {"bash"}, "users": {"root"}, "groups": {"root"}}
    monkeypatch.setattr(record, "_present", lambda kind: set(there[kind]))

    def half_way():
        there["packages"].add("nginx")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        record.recording(half_way)

    assert record.recorded("packages") == {"nginx"}
    assert record.recorded("users") == set()


def test_what_a_killed_installation_brought_is_recorded_by_the_next(node, monkeypatch):
    there = {"packages": {"bash"}, "users": {"root"}, "groups": {"root"}}
    monkeypatch.setattr(record, "_present", lambda kind: set(there[kind]))

    class Killed(BaseException):
        pass

    def killed(_, names):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(record, "record", killed)
        with pytest.raises(Killed):
            record.recording(lambda: there["packages"].add("nginx"))
    record.recording(lambda: there["packages"].add("etcd"))

    assert record.recorded("packages") == {"nginx", "etcd"}


def test_directories_that_are_empty_now_go_and_others_stay(tmp_path, node):
    own, shared = tmp_path / "unit.d", tmp_path / "etc"
    own.mkdir()
    shared.mkdir()
    for path in (own / "a.conf", shared / "ours", shared / "theirs"):
        path.write_text("x")

    told = node_removal._delete([str(own / "a.conf"), str(shared / "ours")], [])

    assert told == [f"delete {own / 'a.conf'}", f"delete {shared / 'ours'}"]
    assert not own.exists()
    assert (shared / "theirs").exists()


def test_a_tree_with_something_that_stays_below_is_left(tmp_path, node):
    (tmp_path / "tree" / "kept").mkdir(parents=True)

    node_removal._delete([str(tmp_path / "tree")], [str(tmp_path / "tree" / "kept")])

    assert (tmp_path / "tree" / "kept").exists()


REQUEST = {
    **{key: [] for key in ("units", "masked", "needs", "kept", "users")},
    "files": ["/etc/ours.conf"],
    "trees": ["/var/lib/postgresql"],
    "is_whole": True,
    "with_written": True,
}


def test_a_host_without_a_trace_of_us_keeps_what_has_our_names(node, monkeypatch):
    """An address that was reused belongs to somebody else's PostgreSQL now."""
    monkeypatch.setattr(node_removal, "written", dict)

    assert node_removal.main(REQUEST) == []


@pytest.mark.parametrize("with_written", [True, False])
def test_files_that_an_older_release_wrote_go_too(node, monkeypatch, tmp_path, with_written):
    """But on a node that is removed by itself what it promises to leave was written by us, too."""
    old = tmp_path / "old.conf"
    old.touch()
    monkeypatch.setattr(node_removal, "written", lambda: {"file": {str(old): "state"}})
    monkeypatch.setattr(node_removal, "forget_written", lambda _: None)
    monkeypatch.setattr(node_removal, "_systemctl", lambda *_: None)
    monkeypatch.setattr(record, "_present", lambda _: set())

    request = {**REQUEST, "files": [], "trees": [], "with_written": with_written}
    told = node_removal.main(request)

    assert (f"delete {old}" in told) == with_written
    assert old.exists() != with_written


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run something as another user")
def test_what_still_runs_as_a_user_ends_before_the_user_goes():
    """A PostgreSQL outlives its Patroni that was paused or killed, and userdel would refuse."""
    nobody_s = 64_321  # no user has it
    with subprocess.Popen(["sleep", "60"], user=nobody_s) as left:
        reaper = threading.Thread(target=left.wait)  # as init does
        reaper.start()
        assert node_removal._processes_of(nobody_s) == [left.pid]

        node_removal._end_processes(nobody_s)

        assert node_removal._processes_of(nobody_s) == []
        reaper.join(timeout=5)
        assert left.returncode == -signal.SIGKILL


def test_nothing_is_ended_of_others():
    own = node_removal._processes_of(os.getuid())

    node_removal._end_processes(64_322)

    assert os.getpid() in own
