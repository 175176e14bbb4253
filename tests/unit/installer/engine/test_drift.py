"""Three states of one thing: written by our last run, found now, wanted now."""

import pytest

from installer.engine.changes import Verb
from installer.engine.difference import stage_difference
from installer.engine.drift import Drift, compare, drifted
from installer.engine.observation import Observation, PathFact, UnitFact, UserFact, digest
from installer.state import ManagedFile, NodeState, Package, Stage, Unit

CONF = ManagedFile(path="/etc/app.conf", content=b"two\n")
KEY = ManagedFile(path="/etc/app.key", content=b"hush\n", mode=0o600, secret=True)
APP = Unit(name="app.service", restart_on=(CONF.path,))
ROOT = {"root": UserFact("root", "/root")}
RUNS = UnitFact("loaded", "active", "enabled")


@pytest.mark.parametrize(
    ("written", "found", "wanted", "drift"),
    [
        (None, None, None, Drift.NONE),
        (None, None, "n", Drift.NEW),
        (None, "f", None, Drift.NONE),
        (None, "f", "n", Drift.FOREIGN),
        (None, "n", "n", Drift.NONE),
        ("w", None, None, Drift.NONE),
        ("w", None, "w", Drift.REMOVED),
        ("w", None, "n", Drift.REMOVED),
        ("w", "w", None, Drift.ORPHAN),
        ("w", "f", None, Drift.ORPHAN),
        ("w", "w", "w", Drift.NONE),
        ("w", "n", "n", Drift.NONE),
        ("w", "w", "n", Drift.OUTDATED),
        ("w", "f", "w", Drift.CHANGED),
        ("w", "f", "n", Drift.CONFLICT),
    ],
)
def test_each_cell_of_the_table(written, found, wanted, drift):
    assert compare(written, found, wanted) is drift


def stage(*files, **parts):
    return Stage(name="app", state=NodeState(files=files, **parts))


def fact(content, mode=0o644):
    return PathFact("file", mode, "root", "root", digest(content))


def state(content, mode="0644"):
    return f"{digest(content)} {mode} root root"


def seen(written=None, **facts):
    return Observation(users=ROOT, written=written or {}, **facts)


def the_drift(wanted, observation):
    (one,) = drifted([wanted], observation)
    return one


def test_a_file_that_somebody_edited_is_told_with_its_three_states():
    observation = seen(
        {"file": {CONF.path: state(b"two\n")}}, paths={CONF.path: fact(b"by hand\n")}
    )

    assert the_drift(stage(CONF), observation).as_json() == {
        "kind": "file",
        "name": CONF.path,
        "drift": "changed by hand",
        "written": state(b"two\n"),
        "found": state(b"by hand\n"),
        "wanted": state(b"two\n"),
    }


def test_rights_that_somebody_changed_are_drift_too():
    observation = seen(
        {"file": {CONF.path: state(b"two\n")}}, paths={CONF.path: fact(b"two\n", 0o666)}
    )

    assert the_drift(stage(CONF), observation).drift is Drift.CHANGED


def test_the_digest_of_a_secret_file_is_told_to_nobody():
    """A weak password in it could be found by trying."""
    observation = seen({"file": {KEY.path: state(b"hush\n", "0600")}}, paths={KEY.path: fact(b"x")})

    told = str(the_drift(stage(KEY), observation).as_json())

    assert "«secret» 0600 root root" in told
    assert digest(b"hush\n") not in told
    assert digest(b"x") not in told


def test_a_file_of_ours_that_no_stage_wants_any_more_is_an_orphan():
    observation = seen({"file": {"/etc/old": state(b"o")}}, strays={"/etc/old": fact(b"o")})

    assert the_drift(stage(), observation).drift is Drift.ORPHAN


@pytest.mark.parametrize(
    ("kept", "found", "drift"),
    [
        (state(b"by hand\n"), b"by hand\n", Drift.KEPT),
        (state(b"by hand\n"), b"changed again\n", Drift.CHANGED),
        ("absent", None, Drift.KEPT),
    ],
)
def test_a_decision_to_keep_holds_for_what_was_there_then(kept, found, drift):
    record = {"file": {CONF.path: state(b"two\n")}, "kept": {CONF.path: kept}}
    observation = seen(record, paths={CONF.path: fact(found)} if found else {})

    assert the_drift(stage(CONF), observation).drift is drift


def test_a_kept_file_is_neither_written_nor_restarts_anything():
    record = {"kept": {CONF.path: state(b"by hand\n")}}
    wanted = stage(CONF, units=(APP,))
    observation = seen(record, paths={CONF.path: fact(b"by hand\n")}, units={APP.name: RUNS})

    change = stage_difference(wanted, observation)

    assert change.lines() == ()


@pytest.mark.parametrize(
    ("fact_now", "found"),
    [
        (UnitFact("loaded", "inactive", "enabled"), "stopped, enabled"),
        (UnitFact("loaded", "failed", "enabled"), "failed, enabled"),
        (UnitFact("loaded", "active", "disabled"), "active, disabled"),
        (UnitFact("masked", "inactive", "masked"), "masked"),
    ],
)
def test_a_unit_that_is_not_as_we_left_it_was_changed_by_hand(fact_now, found):
    observation = seen({"unit": {APP.name: "running"}}, units={APP.name: fact_now})

    one = the_drift(stage(units=(APP,)), observation)

    assert (one.drift, one.found) == (Drift.CHANGED, found)


def test_a_unit_that_only_owes_a_restart_has_not_drifted():
    record = {"file": {CONF.path: state(b"one\n")}, "unit": {APP.name: "running"}}
    wanted = stage(CONF, units=(APP,))
    observation = seen(record, paths={CONF.path: fact(b"one\n")}, units={APP.name: RUNS})

    assert stage_difference(wanted, observation).units[0].verb is Verb.RESTART
    assert the_drift(wanted, observation).drift is Drift.OUTDATED


@pytest.mark.parametrize(
    ("written", "found", "drift"),
    [
        ("1.0", "1.1", Drift.CHANGED),
        ("1.0", None, Drift.REMOVED),
        (None, None, Drift.NEW),
        (None, "1.0", Drift.NONE),
    ],
)
def test_a_package_of_another_version_than_we_left_is_told(written, found, drift):
    record = {"package": {"app": written}} if written else {}
    observation = seen(record, packages={"app": found} if found else {})

    told = drifted([stage(packages=(Package("app"),))], observation)

    assert [one.drift for one in told] == ([] if drift is Drift.NONE else [drift])


def test_what_is_right_but_not_in_the_record_is_taken_in_without_a_change():
    """Clusters of an older release have no record: their files are known after the next run."""
    wanted = stage(CONF, units=(APP,), packages=(Package("app"),))
    observation = seen(
        paths={CONF.path: fact(b"two\n")}, units={APP.name: RUNS}, packages={"app": "1.0"}
    )

    change = stage_difference(wanted, observation)

    assert change.lines() == ()
    assert not change.is_applied
    assert change.unrecorded == {
        "file": {CONF.path: state(b"two\n")},
        "package": {"app": "1.0"},
        "unit": {APP.name: "running"},
    }
