"""What changed since a plan is told exactly: which node, which file, package, unit or setting."""

from dataclasses import replace

import pytest

from installer.engine.changes import Verb
from installer.engine.difference import difference
from installer.engine.observation import (
    GuardFact,
    NodeFacts,
    Observation,
    PathFact,
    UnitFact,
    UserFact,
    digest,
    guard_key,
)
from installer.plan.agreement import change_problems, configuration_problems, fact_problems
from installer.plan.changes import Blanks, Kind, planned_changes
from installer.plan.effects import effect_of
from installer.plan.fingerprint import Fingerprint, node_words, program_word, settings_words
from installer.plan.mask import GENERATED, Mask
from installer.state import REFUSED, ManagedFile, NodeState, Package, Stage, Step, Unit

MASK = Mask(b"key")
CONF = ManagedFile(path="/etc/app.conf", content=b"two\n")
KEY = ManagedFile(path="/etc/app.key", content=b"weak\n", mode=0o600, secret=True)
APP = Unit(name="patroni.service", restart_on=(CONF.path,), one_at_a_time=True)
NO_BLANKS = Blanks()
STEP = Step(name="Do it", guard="false", script="true", once=True)
STAGE = Stage(
    name="app/main",
    state=NodeState(packages=(Package("app"),), files=(CONF, KEY), units=(APP,)),
    steps=(STEP,),
)
SEEN = Observation(
    stages=(STAGE,),
    users={"root": UserFact("root", "/root")},
    paths={
        CONF.path: PathFact("file", 0o644, "root", "root", digest(b"one\n")),
        KEY.path: PathFact("file", 0o600, "root", "root", digest(b"old weak\n")),
    },
    packages={"app": "1.0-1"},
    units={APP.name: UnitFact("loaded", "active", "enabled")},
    guards={guard_key(STAGE, STEP): GuardFact(1)},
    facts=NodeFacts(memory_bytes=4 << 30, cpus=2),
)


def facts(observation):
    return Fingerprint(nodes={"db-1": node_words(observation, MASK)})


def told(observation):
    return [f"{p.where}: {p.what}" for p in fact_problems(facts(SEEN), facts(observation))]


def test_what_is_as_it_was_is_no_problem():
    assert told(SEEN) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"paths": {**SEEN.paths, CONF.path: PathFact("file", 0o644, "root", "root", "a" * 64)}},
            "db-1: path /etc/app.conf: changed since the plan: its content is another one",
        ),
        (
            {"paths": {KEY.path: SEEN.paths[KEY.path]}},
            "db-1: path /etc/app.conf: changed since the plan: "
            "was content 0644 root root, is absent",
        ),
        (
            {"packages": {"app": "1.0-2"}},
            "db-1: package app: changed since the plan: was 1.0-1, is 1.0-2",
        ),
        ({"packages": {}}, "db-1: package app: changed since the plan: it is gone (was 1.0-1)"),
        (
            {"units": {APP.name: UnitFact("loaded", "failed", "enabled")}},
            "db-1: unit patroni.service: changed since the plan: "
            "was running, enabled, is stopped, enabled",
        ),
        (
            {"guards": {guard_key(STAGE, STEP): GuardFact(0)}},
            "db-1: step app/main/Do it: changed since the plan: was to do, is holds",
        ),
        (
            {"guards": {guard_key(STAGE, STEP): GuardFact(REFUSED)}},
            "db-1: step app/main/Do it: changed since the plan: was to do, is refused",
        ),
        (
            {"pending": {APP.name: "restart"}},
            "db-1: unit patroni.service owes: changed since the plan: it is new (is restart)",
        ),
        (
            {"facts": NodeFacts(memory_bytes=8 << 30, cpus=2)},
            "db-1: memory: changed since the plan: was 4096 MiB, is 8192 MiB",
        ),
        (
            {"written": {"kept": {CONF.path: "x 0644 root root"}}},
            "db-1: kept /etc/app.conf: changed since the plan: it is new",
        ),
    ],
)
def test_each_kind_of_fact_is_told_by_its_name(change, words):
    assert told(replace(SEEN, **change)) == [words]


def test_a_moment_of_starting_or_a_kernels_last_megabyte_is_no_change():
    later = replace(
        SEEN,
        units={APP.name: UnitFact("loaded", "activating", "enabled")},
        facts=NodeFacts(memory_bytes=(4 << 30) + 1000, cpus=2),
    )

    assert told(later) == []


def test_a_node_that_came_or_went_is_told():
    found = list(fact_problems(facts(SEEN), Fingerprint()))

    assert "db-1: package app" in [problem.where for problem in found]


def test_the_digest_of_a_secret_is_in_no_fingerprint_and_no_change():
    text = str(facts(SEEN)) + str(changes())

    assert digest(b"old weak\n") not in text
    assert digest(KEY.content) not in text
    assert digest(CONF.content) in text


def test_which_setting_changed_is_told_without_its_value():
    old = settings_words({"settings": {"rabbitmq": {"password": "old", "fd_limit": 1}}}, MASK)
    new = settings_words({"settings": {"rabbitmq": {"password": "new"}, "more": [1]}}, MASK)

    found = {p.where: p.what for p in configuration_problems(old, new)}

    start = "the configuration changed since the plan: "
    assert found == {
        "inventory settings.rabbitmq.password": f"{start}its content is another one",
        "inventory settings.rabbitmq.fd_limit": f"{start}it is gone",
        "inventory settings.more[0]": f"{start}it is new",
    }


def test_what_will_be_made_is_told_when_it_was_made_meanwhile():
    problems = configuration_problems({"secret a": GENERATED}, {"secret a": MASK.word("a", "b")})

    (problem,) = problems
    assert problem.what.endswith("was to be made, is content")


def test_other_code_is_another_program():
    assert program_word().startswith("version ")
    (problem,) = configuration_problems(
        {"cfy_manager": "version 1, code aa"}, {"cfy_manager": "version 1, code bb"}
    )
    assert problem.what.endswith("was version 1, code aa, is version 1, code bb")


def changes(blanks=NO_BLANKS, nodes=("db-1", "db-2")):
    found = {node: difference([STAGE], SEEN) for node in nodes}
    return planned_changes([(STAGE.name, dict.fromkeys(nodes, STAGE))], found, MASK, blanks)


def of_kind(kind, found):
    return [change for change in found if change.kind is kind]


def test_a_file_is_planned_with_its_old_and_new_digest():
    conf, key = of_kind(Kind.FILE, changes(nodes=("db-1",)))

    assert (conf.old, conf.new) == (digest(b"one\n"), digest(b"two\n"))
    assert key.old.startswith("hmac:")
    assert key.new.startswith("hmac:")
    assert key.old != key.new


def test_what_the_run_makes_has_no_digest():
    blanks = Blanks(names=frozenset({("db-1", "file /etc/app.key"), ("db-1", "step Do it")}))

    found = changes(blanks, nodes=("db-1",))

    assert of_kind(Kind.FILE, found)[1].new == GENERATED
    assert of_kind(Kind.STEP, found)[0].new == GENERATED


def test_a_step_of_one_node_is_planned_on_the_first_one():
    assert [change.node for change in of_kind(Kind.STEP, changes())] == ["db-1"]


def test_a_restart_is_planned_with_its_reason_and_what_it_means():
    (alone,) = of_kind(Kind.UNIT, changes(nodes=("db-1",)))
    with_peer = of_kind(Kind.UNIT, changes())[1]

    assert (alone.new, alone.reason) == (Verb.RESTART.value, "/etc/app.conf")
    assert "the database is away" in alone.effect
    assert (with_peer.node, "switchover" in with_peer.effect) == ("db-2", True)
    assert effect_of("unknown.service", "restart", 1) == ""


def test_a_change_that_came_or_went_is_told_with_its_node_and_phase():
    planned, now = changes(), changes(nodes=("db-1",))

    found = [problem.where for problem in change_problems(planned, now)]

    assert "db-2: app/main: replace /etc/app.conf" in found
    assert list(change_problems(planned, planned)) == []
    assert [p.what for p in change_problems((), now[:1])] == [
        "the run would do it, and the plan does not have it like that"
    ]
