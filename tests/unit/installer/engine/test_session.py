"""One node end to end, by real processes on this machine."""

import getpass
import os

import pytest

from installer.engine.difference import difference
from installer.errors import PhaseFailed
from installer.secrets import Secret
from installer.state import Directory, Gate, ManagedFile, NodeState, Stage, Step
from tests.unit.installer.engine.shell import local_session

ME = getpass.getuser()


@pytest.fixture
def session():
    return local_session()


def stage(folder, content=b"one\n", **more):
    state = NodeState(
        directories=(Directory(path=f"{folder}/d", owner=ME, mode=0o700),),
        files=(
            ManagedFile(path=f"{folder}/d/conf", content=content, owner=ME),
            ManagedFile(path=f"{folder}/d/key", content=b"k", owner=ME, mode=0o600, secret=True),
        ),
        absent=(f"{folder}/stock.conf",),
    )
    return Stage(name="app", state=state, **more)


def test_a_stage_is_applied_and_then_nothing_differs(session, tmp_path):
    (tmp_path / "stock.conf").write_text("of the distribution")
    wanted = stage(tmp_path)

    applied = session.apply(wanted, session.observe([wanted]))

    assert len(applied.changes) == 4
    assert (tmp_path / "d" / "conf").read_bytes() == b"one\n"
    assert not (tmp_path / "stock.conf").exists()
    assert difference([wanted], session.observe([wanted])).is_empty


def test_an_unchanged_stage_takes_one_command(session, tmp_path):
    wanted = stage(tmp_path)
    session.apply(wanted, session.observe([wanted]))
    before = session.commands

    assert session.apply(wanted, session.observe([wanted])).changes == ()
    assert session.commands - before == 1


def test_a_changed_stage_without_packages_takes_two_commands(session, tmp_path):
    wanted = stage(tmp_path)

    session.apply(wanted, session.observe([wanted]))

    assert session.commands == 2


def test_wrong_rights_are_repaired_without_rewriting(session, tmp_path):
    wanted = stage(tmp_path)
    session.apply(wanted, session.observe([wanted]))
    inode = (tmp_path / "d" / "key").stat().st_ino
    (tmp_path / "d" / "key").chmod(0o644)

    applied = session.apply(wanted, session.observe([wanted]))

    assert applied.changes == (f"set owner and mode of {tmp_path}/d/key (changed by hand)",)
    assert (tmp_path / "d" / "key").stat().st_ino == inode
    assert (tmp_path / "d" / "key").stat().st_mode & 0o777 == 0o600


def test_texts_of_secret_files_are_never_fetched(session, tmp_path):
    wanted = stage(tmp_path)
    session.apply(wanted, session.observe([wanted]))

    seen = session.observe([wanted], with_content=True)

    assert seen.paths[f"{tmp_path}/d/conf"].text == "one\n"
    assert seen.paths[f"{tmp_path}/d/key"].text is None


def test_what_the_node_cannot_do_is_a_problem_of_that_node(session, tmp_path):
    wanted = Stage(
        name="app",
        state=NodeState(files=(ManagedFile(path=f"{tmp_path}/a", content=b"", owner="no-one"),)),
    )

    with pytest.raises(PhaseFailed) as failed:
        session.apply(wanted, session.observe([wanted]))

    (problem,) = failed.value.problems
    assert problem.where == f"node: {tmp_path}/a"
    assert "no-one" in problem.what


def step(folder, script, **more):
    return Step(name="Do it", guard=f"test -e {folder}/done", script=script, **more)


def test_a_step_runs_once(session, tmp_path):
    once = step(tmp_path, f"echo x >> {tmp_path}/log; touch {tmp_path}/done")

    results = [session.run_step(once).changed for _ in range(2)]

    assert results == [True, False]
    assert (tmp_path / "log").read_text() == "x\n"
    assert session.commands == 2


def test_a_step_that_does_not_establish_its_state_fails(session, tmp_path, monkeypatch):
    """Else every later run would change something again."""
    monkeypatch.setattr("installer.engine.wire._source", hurried())

    with pytest.raises(PhaseFailed, match="does not hold"):
        session.run_step(step(tmp_path, "true"))


def hurried():
    """Return sources of the node's programs that give a late guard no time."""
    from installer.engine import wire

    original = wire._source

    def source(name):
        return original(name).replace("_SETTLE_S = 10.0", "_SETTLE_S = 0.0")

    return source


def test_a_guard_that_holds_a_moment_later_is_awaited(session, tmp_path):
    late = step(tmp_path, f"(sleep 0.5; touch {tmp_path}/done) &")

    assert session.run_step(late).changed


def test_a_failed_step_tells_its_last_words_without_secrets(session, tmp_path):
    failing = step(
        tmp_path, 'echo "login with $PW refused" >&2; exit 7', secrets={"PW": Secret("hush-hush")}
    )

    with pytest.raises(PhaseFailed) as failed:
        session.run_step(failing)

    assert "exit 7: login with ******** refused" in failed.value.problems[0].what


def test_a_step_is_ended_at_its_deadline(session, tmp_path):
    with pytest.raises(PhaseFailed, match="did not end within 1 s"):
        session.run_step(step(tmp_path, "sleep 60", timeout_s=1))


def test_a_gate_is_awaited_in_one_command(session, tmp_path):
    tries = tmp_path / "tries"
    gate = Gate(
        name="third time", check=f"echo x >> {tries}; test $(wc -l < {tries}) -ge 3", timeout_s=10
    )

    assert session.await_gate(gate).passed
    assert session.commands == 1


def test_a_gate_that_is_not_reached_shows_what_was_seen_last(session):
    gate = Gate(
        name="a leader",
        check='echo "no leader, $PW"; exit 1',
        secrets={"PW": Secret("hush-hush")},
        timeout_s=1,
    )

    result = session.await_gate(gate)

    assert not result.passed
    assert "a leader; last seen: no leader, ********" in result.problem.what


@pytest.mark.parametrize(
    ("needs_peers", "alone", "deferred"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_only_a_lone_node_may_defer_a_gate(session, needs_peers, alone, deferred):
    gate = Gate(name="quorum", check="exit 75", timeout_s=1, needs_peers=needs_peers)

    result = session.await_gate(gate, alone=alone)

    assert result.deferred is deferred
    assert (result.problem is None) is deferred


def test_guards_are_asked_side_by_side(session, tmp_path):
    slow = tuple(Step(name=f"{n}", guard="sleep 0.5; exit 1", script=":") for n in range(6))
    wanted = Stage(name="app", steps=slow)

    seen = session.observe([wanted])

    assert len(seen.guards) == 6
    assert not any(guard.held for guard in seen.guards.values())


def test_facts_tell_the_release_and_the_size(session):
    facts = session.observe([]).facts

    assert facts.release
    assert facts.cpus == os.cpu_count()
    assert facts.memory_bytes > 2**27
