"""The node's own record: what our runs left, and copies of what they replaced."""

import getpass
import stat
from pathlib import Path

import pytest

from installer.engine.drift import Drift, drifted
from installer.engine.node import removal, writing, written
from installer.engine.session import Session
from installer.state import ManagedFile, NodeState, Stage
from tests.unit.installer.engine.shell import Shell

ME = getpass.getuser()


@pytest.fixture
def shell():
    return Shell()


@pytest.fixture
def session(shell):
    return Session(shell)


def stage(folder, content=b"one\n"):
    file = ManagedFile(path=f"{folder}/conf", content=content, owner=ME, mode=0o600)
    return Stage(name="app", state=NodeState(files=(file,)))


def install(session, wanted):
    return session.apply(wanted, session.observe([wanted]))


def copies(shell):
    return [path for path in Path(shell.home, "replaced").rglob("*") if path.is_file()]


def test_what_we_wrote_has_not_drifted(session, tmp_path):
    wanted = stage(tmp_path)
    install(session, wanted)

    assert drifted([wanted], session.observe([wanted])) == ()
    assert drifted([stage(tmp_path, b"new")], session.observe([wanted]))[0].drift is Drift.OUTDATED


def test_a_change_by_hand_is_kept_aside_when_it_is_overwritten(session, shell, tmp_path):
    wanted = stage(tmp_path)
    install(session, wanted)
    (tmp_path / "conf").write_text("by hand\n")

    (one,) = drifted([wanted], session.observe([wanted]))
    applied = install(session, wanted)

    (copy,) = copies(shell)
    assert one.drift is Drift.CHANGED
    assert copy.read_text() == "by hand\n"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(shell.home, "replaced").stat().st_mode) == 0o700
    assert applied.changes == (
        f"keep what stood at {tmp_path}/conf as {copy}",
        f"replace {tmp_path}/conf (changed by hand)",
    )
    assert (tmp_path / "conf").read_bytes() == b"one\n"


def test_a_change_made_after_we_looked_is_kept_aside_too(session, shell, tmp_path):
    """Between the plan and its execution a person may be quicker."""
    install(session, stage(tmp_path))
    new = stage(tmp_path, b"two\n")
    looked = session.observe([new])
    (tmp_path / "conf").write_text("by hand\n")

    session.apply(new, looked)

    assert [copy.read_text() for copy in copies(shell)] == ["by hand\n"]


def test_what_stood_there_before_our_first_run_is_kept_aside(session, shell, tmp_path):
    (tmp_path / "conf").write_text("of the administrator\n")

    applied = install(session, stage(tmp_path))

    assert [copy.read_text() for copy in copies(shell)] == ["of the administrator\n"]
    assert applied.changes == (f"replace {tmp_path}/conf",)


def test_our_own_former_content_is_not_kept(session, shell, tmp_path):
    install(session, stage(tmp_path))

    install(session, stage(tmp_path, b"two\n"))

    assert copies(shell) == []


def test_a_link_in_the_place_of_a_file_is_told_where_it_led(session, shell, tmp_path):
    install(session, stage(tmp_path))
    (tmp_path / "conf").unlink()
    (tmp_path / "conf").symlink_to("/dev/null")

    install(session, stage(tmp_path))

    assert [copy.read_text() for copy in copies(shell)] == ["a symbolic link to /dev/null\n"]


def test_a_kept_file_stays_until_it_is_written_again(session, tmp_path):
    wanted = stage(tmp_path)
    install(session, wanted)
    (tmp_path / "conf").write_text("by hand\n")
    (one,) = drifted([wanted], session.observe([wanted]))
    session.remember({"kept": {one.name: str(one.found)}})

    kept = install(session, wanted)
    (tmp_path / "conf").write_text("again\n")
    install(session, wanted)

    assert kept.changes == ()
    assert (tmp_path / "conf").read_bytes() == b"one\n"
    assert drifted([wanted], session.observe([wanted])) == ()
    assert session.observe([wanted]).record("kept") == {}


def test_the_record_is_for_root_only(session, shell, tmp_path):
    install(session, stage(tmp_path))

    assert stat.S_IMODE(Path(shell.home, "written").stat().st_mode) == 0o600


def test_an_older_release_left_no_record_and_the_next_run_makes_it(session, shell, tmp_path):
    wanted = stage(tmp_path)
    install(session, wanted)
    Path(shell.home, "written").unlink()

    changes = install(session, wanted).changes

    assert changes == ()
    assert f"{tmp_path}/conf" in session.observe([wanted]).record("file")


def test_what_a_removal_takes_away_leaves_the_record_too(tmp_path, monkeypatch):
    """Else the next installation would take its absence for somebody's work."""
    monkeypatch.setattr(writing, "HOME", str(tmp_path))
    for module in (written, writing):
        monkeypatch.setattr(module, "WRITTEN", str(tmp_path / "written"))
    monkeypatch.setattr(removal, "present_packages", lambda: {"stays": {}})
    states = {"file": ("/etc/a", "/srv/b/c", "/etc/d"), "unit": ("a.service",)}
    news = {kind: dict.fromkeys(names, "state") for kind, names in states.items()}
    writing.note({**news, "package": {"stays": "1", "goes": "1"}})

    request = {"files": ["/etc/a"], "units": ["a.service"], "masked": [], "trees": ["/srv/b"]}
    removal._forget_written({**request, "is_whole": False})

    left = {kind: set(names) for kind, names in written.written().items() if names}
    assert left == {"file": {"/etc/d"}, "package": {"stays"}}
