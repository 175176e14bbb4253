"""Deliveries run in threads: a limited number at once, and each only once."""

import threading

import pytest

from manager.worker.runner import Runner


class Message:
    """A delivery that notes what becomes of it."""

    def __init__(self, *, is_redelivered=False):
        self.fate = []
        self.is_redelivered = is_redelivered

    def acknowledge(self):
        self.fate.append("acknowledged")

    def give_back(self):
        self.fate.append("given back")


class Work:
    """Work that lasts until it is let go."""

    def __init__(self):
        self.begun = []
        self.go = threading.Event()
        self.changed = threading.Condition()

    def __call__(self, job):
        with self.changed:
            self.begun.append(job.key)
            self.changed.notify_all()
        assert self.go.wait(10)
        job.delivery.acknowledge()

    def wait_begun(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.begun) >= count, 10)


@pytest.fixture
def work():
    work = Work()
    yield work
    work.go.set()


def test_no_more_than_the_limit_run_at_once(work):
    runner = Runner("test", 2, work)

    for number in range(4):
        runner.accept(f"job {number}", "x", Message(), at_once=False)
    work.wait_begun(2)

    assert work.begun == ["job 0", "job 1"]
    work.go.set()
    assert runner.wait_idle(10)
    assert sorted(work.begun) == ["job 0", "job 1", "job 2", "job 3"]


def test_one_may_run_beyond_the_limit_when_all_stand_still(work):
    runner = Runner("test", 1, work)

    runner.accept("parent", "x", Message(), at_once=False)
    runner.accept("child", "y", Message(), at_once=True)

    work.wait_begun(2)


def test_what_runs_takes_over_its_message_when_it_comes_again(work):
    """After a lost connection the broker knows only the second delivery."""
    runner = Runner("test", 2, work)
    first, second = Message(), Message(is_redelivered=True)

    runner.accept("job", "x", first, at_once=False)
    work.wait_begun(1)
    runner.accept("job", "x", second, at_once=False)
    work.go.set()
    assert runner.wait_idle(10)

    assert work.begun == ["job"]
    assert (first.fate, second.fate) == ([], ["acknowledged"])


def test_a_message_that_breaks_the_work_is_tried_once_more_and_then_dropped(caplog):
    def broken(_job):
        raise ZeroDivisionError

    runner = Runner("test", 1, broken)
    fresh, repeated = Message(), Message(is_redelivered=True)

    runner.accept("one", "x", fresh, at_once=False)
    assert runner.wait_idle(10)
    runner.accept("two", "x", repeated, at_once=False)
    assert runner.wait_idle(10)

    assert (fresh.fate, repeated.fate) == (["given back"], ["acknowledged"])
    assert "ZeroDivisionError" in caplog.text


def test_a_closed_runner_leaves_what_waits_to_others(work):
    runner = Runner("test", 1, work)
    waiting = Message()
    runner.accept("first", "x", Message(), at_once=False)
    work.wait_begun(1)
    runner.accept("second", "x", waiting, at_once=False)

    runner.close()
    work.go.set()

    assert runner.wait_idle(10)
    assert work.begun == ["first"]
    assert waiting.fate == []
