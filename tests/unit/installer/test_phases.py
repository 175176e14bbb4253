import threading

import pytest

from installer.errors import ConfigError
from installer.events import Outcome
from installer.phases import Phase, PhaseResult, run_phases, select_phases


def phase(name, *needs, outcome=Outcome.CHANGED, before=lambda: None):
    def work():
        before()
        return PhaseResult(phase=name, outcome=outcome)

    return Phase(name=name, nodes=("n",), needs=needs, work=work)


def outcomes(phases):
    return {r.phase: r.outcome for r in run_phases(phases, lambda p: p.work())}


def test_a_phase_starts_after_all_it_needs():
    order = []
    note = lambda name: lambda: order.append(name)  # noqa: E731

    run_phases(
        [
            phase("c", "a", "b", before=note("c")),
            phase("a", before=note("a")),
            phase("b", "a", before=note("b")),
        ],
        lambda p: p.work(),
    )

    assert order == ["a", "b", "c"]


def test_independent_phases_run_side_by_side():
    together = threading.Barrier(2, timeout=5)

    result = outcomes([phase("a", before=together.wait), phase("b", before=together.wait)])

    assert result == {"a": Outcome.CHANGED, "b": Outcome.CHANGED}


def test_after_a_failure_nothing_new_starts():
    result = outcomes([phase("a", outcome=Outcome.FAILED), phase("b", "a"), phase("c", "b")])

    assert result == {"a": Outcome.FAILED, "b": Outcome.SKIPPED, "c": Outcome.SKIPPED}


@pytest.mark.parametrize(
    ("only", "skip", "names"),
    [
        ((), (), ["db/a", "db/b", "mq/a"]),
        (("db",), (), ["db/a", "db/b"]),
        (("db/b",), (), ["db/b"]),
        ((), ("db",), ["mq/a"]),
        (("db",), ("db/a",), ["db/b"]),
    ],
)
def test_phases_are_selected_by_name_or_role(only, skip, names):
    phases = [phase("db/a"), phase("db/b", "db/a"), phase("mq/a")]

    assert [p.name for p in select_phases(phases, only=only, skip=skip)] == names


def test_what_is_left_out_counts_as_done():
    (only,) = select_phases([phase("db/a"), phase("db/b", "db/a")], only=["db/b"])

    assert only.needs == ()


def test_an_unknown_phase_is_refused():
    with pytest.raises(ConfigError, match="no phase has this name"):
        select_phases([phase("db/a")], skip=["dbs"])


def test_two_phases_of_one_name_are_a_mistake():
    """Their results would hide each other, and what needs one would not wait for the other."""
    with pytest.raises(ValueError, match="one name"):
        outcomes([phase("a"), phase("a")])


def test_an_interruption_ends_what_is_under_way_instead_of_waiting_for_it():
    """A gate may wait for minutes; nobody who types ctrl-C does."""
    ended = threading.Event()
    saw_abort = []

    def gate():
        saw_abort.append(ended.wait(10))

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_phases(
            [phase("gate", before=gate), Phase(name="typed", nodes=("n",), work=lambda: None)],
            lambda p: p.work() if p.name == "gate" else interrupt(p),
            abort=ended.set,
        )

    assert saw_abort == [True]
