from datetime import UTC, datetime, timedelta

from installer.events import Event, EventKind, Outcome
from installer.journal import Journal, finished_nodes

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def start(run="r1"):
    return Event(kind=EventKind.RUN_STARTED, run=run, phases=("a", "b", "c"))


def begin(phase):
    return Event(kind=EventKind.PHASE_STARTED, run="r1", phase=phase)


def end(phase, outcome=Outcome.CHANGED):
    return Event(kind=EventKind.PHASE_FINISHED, run="r1", phase=phase, outcome=outcome)


def journal(tmp_path, *events):
    book = Journal(tmp_path / "journal.jsonl")
    for event in events:
        book.write(event)
    return book


def test_an_interrupted_run_is_sorted_into_done_unknown_and_not_begun(tmp_path):
    book = journal(tmp_path, start(), begin("a"), end("a"), begin("b"))

    left = book.interrupted()

    assert (left.done, left.unknown, left.not_begun) == (("a",), ("b",), ("c",))


def test_a_failed_phase_is_unknown(tmp_path):
    book = journal(tmp_path, start(), begin("a"), end("a", Outcome.FAILED))

    assert book.interrupted().unknown == ("a",)


def test_a_finished_run_is_not_interrupted(tmp_path):
    book = journal(tmp_path, start(), Event(kind=EventKind.RUN_FINISHED, run="r1"))

    assert book.interrupted() is None


def test_a_new_journal_knows_no_run(tmp_path):
    assert journal(tmp_path).interrupted() is None


def test_a_line_torn_by_a_power_cut_does_not_count(tmp_path):
    journal(tmp_path, start(), begin("a"), end("a")).close()
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-10])

    book = journal(tmp_path, begin("b"))

    assert book.interrupted().unknown == ("a", "b")


def test_others_cannot_read_the_journal(tmp_path):
    journal(tmp_path, start())

    assert (tmp_path / "journal.jsonl").stat().st_mode & 0o777 == 0o600


def node_end(node, outcome=Outcome.CHANGED):
    kind = EventKind.NODE_FINISHED
    return Event(kind=kind, run="r1", phase="a", node=node, outcome=outcome)


def run_end(outcome):
    return Event(kind=EventKind.RUN_FINISHED, run="r1", outcome=outcome)


def test_a_killed_run_leaves_the_nodes_that_it_finished(tmp_path):
    events = (start(), node_end("n-1"), node_end("n-2", Outcome.UNCHANGED))
    journal(tmp_path, *events, node_end("n-3", Outcome.FAILED))

    found = finished_nodes(tmp_path / "journal.jsonl", since=LONG_AGO)

    assert found == {("a", "n-1"), ("a", "n-2")}


def test_a_failed_run_is_gone_on_with_as_a_killed_one(tmp_path):
    journal(tmp_path, start(), node_end("n-1"), run_end(Outcome.FAILED))

    assert finished_nodes(tmp_path / "journal.jsonl", since=LONG_AGO) == {("a", "n-1")}


def test_after_a_run_that_did_all_the_next_begins_anew(tmp_path):
    journal(tmp_path, start(), node_end("n-1"), run_end(Outcome.CHANGED))

    assert finished_nodes(tmp_path / "journal.jsonl", since=LONG_AGO) == frozenset()


def test_without_a_journal_nothing_is_finished(tmp_path):
    assert finished_nodes(tmp_path / "journal.jsonl", since=LONG_AGO) == frozenset()


def test_a_run_of_long_ago_is_forgotten(tmp_path):
    journal(tmp_path, start(), node_end("n-1"))
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    assert finished_nodes(tmp_path / "journal.jsonl", since=tomorrow) == frozenset()
