"""What a plan prints and apply does, from values alone."""

from dataclasses import replace

import pytest

from installer.engine.changes import Verb
from installer.engine.difference import difference
from installer.engine.observation import (
    GuardFact,
    Observation,
    PathFact,
    UnitFact,
    UserFact,
    digest,
)
from installer.state import (
    Directory,
    ManagedFile,
    NodeState,
    Package,
    Stage,
    Step,
    Unit,
    UnitTarget,
    User,
)

CONF = ManagedFile(path="/etc/app/app.conf", content=b"port 1\n", mode=0o640)
KEY = ManagedFile(path="/etc/app/key", content=b"new\n", mode=0o600, secret=True)
APP = Unit(name="app.service", restart_on=(CONF.path,), reload_on=(KEY.path,))
ROOT = {"root": UserFact("root", "/root")}
RUNS = UnitFact("loaded", "active", "enabled")


def stage(*, name="app", steps=(), **parts):
    return Stage(name=name, state=NodeState(**parts), steps=steps)


def as_wanted(file):
    return PathFact("file", file.mode, "root", "root", digest(file.content))


def seen(*stages, **facts):
    return Observation(stages=stages, **({"users": ROOT} | facts))


def lines(wanted, observation):
    return difference([wanted], observation).lines()


def test_a_node_that_is_as_wanted_differs_in_nothing():
    wanted = stage(
        packages=(Package("app"),),
        users=(User(name="app", home="/srv", groups=("ssl",)),),
        directories=(Directory(path="/srv/app", owner="app"),),
        files=(CONF,),
        absent=("/etc/default/app",),
        units=(APP,),
        steps=(Step(name="Prepare", guard="true", script="true"),),
    )
    observation = seen(
        wanted,
        packages={"app": "1"},
        users=ROOT | {"app": UserFact("apps", "/of/its/package", ("ssl", "more"))},
        paths={
            "/srv/app": PathFact("directory", 0o755, "app", "apps"),
            CONF.path: as_wanted(CONF),
        },
        units={"app.service": RUNS},
        guards={"app/Prepare": GuardFact(0)},
    )

    assert difference([wanted], observation).is_empty


def test_a_bare_node_lacks_everything_in_the_order_of_its_making():
    wanted = stage(
        packages=(Package("app"),),
        users=(User(name="app"),),
        directories=(Directory(path="/srv/app", owner="app"),),
        files=(CONF,),
        units=(APP,),
        steps=(Step(name="Prepare", guard="false", script="true"),),
    )

    assert lines(wanted, seen(wanted)) == (
        "install package app",
        "create or change user app",
        "set up directory /srv/app",
        "create /etc/app/app.conf",
        "enable app.service",
        "start app.service (it is inactive)",
        "Prepare",
    )


@pytest.mark.parametrize(
    ("present", "line"),
    [
        (replace(as_wanted(CONF), digest="other"), "replace /etc/app/app.conf"),
        (replace(as_wanted(CONF), mode=0o644), "set owner and mode of /etc/app/app.conf"),
        (replace(as_wanted(CONF), owner="app"), "set owner and mode of /etc/app/app.conf"),
        (replace(as_wanted(CONF), group="app"), "set owner and mode of /etc/app/app.conf"),
        (replace(as_wanted(CONF), kind="link", digest=""), "replace /etc/app/app.conf"),
    ],
)
def test_drift_of_a_file_is_named(present, line):
    wanted = stage(files=(CONF,))

    assert lines(wanted, seen(wanted, paths={CONF.path: present})) == (line,)


def test_a_changed_file_restarts_the_unit_that_reads_it_and_says_why():
    wanted = stage(files=(CONF,), units=(APP,))

    found = lines(wanted, seen(wanted, units={"app.service": RUNS}))

    assert found[-1] == "restart app.service (/etc/app/app.conf)"


def test_a_restart_makes_the_reload_needless():
    wanted = stage(files=(CONF, KEY), units=(APP,))

    found = difference([wanted], seen(wanted, units={"app.service": RUNS})).stages[0]

    assert [change.verb for change in found.units] == [Verb.RESTART]


def test_a_file_with_the_right_content_but_wrong_mode_restarts_nothing():
    wanted = stage(files=(CONF,), units=(APP,))
    present = {CONF.path: replace(as_wanted(CONF), mode=0o600)}

    found = difference([wanted], seen(wanted, paths=present, units={"app.service": RUNS}))

    assert found.stages[0].units == ()


def test_a_file_of_an_earlier_stage_restarts_a_unit_of_a_later_one():
    first, second = stage(name="first", files=(CONF,)), stage(name="second", units=(APP,))
    observation = seen(first, second, units={"app.service": RUNS})

    changed = difference([first, second], observation)

    assert changed.stage("first").marks == {"app.service": "restart"}
    assert changed.stage("second").units[0].verb is Verb.RESTART


def test_a_restart_that_an_interrupted_run_owes_is_made_up_for():
    wanted = stage(files=(CONF,), units=(APP,))
    observation = seen(
        wanted,
        paths={CONF.path: as_wanted(CONF)},
        units={"app.service": RUNS},
        pending={"app.service": "restart"},
    )

    assert lines(wanted, observation) == ("restart app.service (owed since an interrupted run)",)


def test_a_unit_of_one_at_a_time_starts_now_but_restarts_later():
    unit = replace(APP, one_at_a_time=True)
    wanted = stage(files=(CONF,), units=(unit,))
    bare, running = seen(wanted), seen(wanted, units={"app.service": RUNS})

    starts = difference([wanted], bare).stages[0].units
    restarts = difference([wanted], running).stages[0].units

    assert not any(change.is_deferred for change in starts)
    assert [change.is_deferred for change in restarts] == [True]


@pytest.mark.parametrize(
    ("target", "fact", "verbs"),
    [
        (UnitTarget.RUNNING, UnitFact("loaded", "failed", "enabled"), ["start"]),
        (UnitTarget.RUNNING, UnitFact("loaded", "active", "disabled"), ["enable"]),
        (UnitTarget.RUNNING, UnitFact("loaded", "active", "static"), []),
        (UnitTarget.RUNNING, UnitFact("loaded", "activating", "enabled"), []),
        (UnitTarget.RUNNING, UnitFact("masked"), ["unmask", "enable", "start"]),
        (UnitTarget.STOPPED, UnitFact("loaded", "active", "enabled"), ["disable", "stop"]),
        (UnitTarget.STOPPED, UnitFact(), []),
        (UnitTarget.MASKED, UnitFact(), ["mask"]),
        (UnitTarget.MASKED, UnitFact("masked", "inactive", "masked"), []),
        (UnitTarget.MASKED, UnitFact("masked", "active", "masked"), ["mask"]),
    ],
)
def test_a_unit_is_brought_to_its_target(target, fact, verbs):
    wanted = stage(units=(Unit(name="app.service", target=target),))

    found = difference([wanted], seen(wanted, units={"app.service": fact}))

    assert [change.verb for change in found.stages[0].units] == verbs


def test_a_changed_unit_file_reloads_systemd():
    file = ManagedFile(path="/etc/systemd/system/app.service", content=b"[Unit]\n")
    wanted = stage(files=(file,))

    assert difference([wanted], seen(wanted)).stages[0].reloads_systemd


def test_a_diff_shows_lines_of_a_plain_file():
    wanted = stage(files=(CONF,))
    present = replace(as_wanted(CONF), digest="other", text="port 2\n")

    (change,) = difference([wanted], seen(wanted, paths={CONF.path: present})).stages[0].files

    assert "-port 2\n+port 1\n" in change.diff()


def test_a_diff_never_shows_a_secret_file():
    wanted = stage(files=(KEY,))
    present = PathFact("file", 0o600, "root", "root", "other", "old\n")

    (change,) = difference([wanted], seen(wanted, paths={KEY.path: present})).stages[0].files

    assert change.diff() == "/etc/app/key: «secret, content differs»\n"


def test_a_file_of_a_later_stage_does_not_restart_a_unit_before_it_is_written():
    first, second = stage(name="first", units=(APP,)), stage(name="second", files=(CONF,))
    observation = seen(first, second, units={"app.service": RUNS})

    assert difference([first, second], observation).stage("first").units == ()
