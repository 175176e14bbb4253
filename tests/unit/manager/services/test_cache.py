"""A cached value: computed once while fresh, in the background while tolerable."""

import threading
import time

import pytest

from manager.services.cache import Cached


def counter():
    calls = []

    def compute():
        calls.append(None)
        return len(calls)

    return compute


def test_a_fresh_value_is_not_computed_again():
    cached = Cached(counter(), fresh_s=60, stale_s=60)

    assert [cached.value() for _ in range(3)] == [1, 1, 1]


def test_a_stale_value_is_computed_before_the_answer():
    cached = Cached(counter(), fresh_s=0, stale_s=0)

    assert [cached.value() for _ in range(3)] == [1, 2, 3]


def test_nobody_waits_while_an_old_value_is_tolerable():
    finished = threading.Event()
    calls = []

    def compute():
        calls.append(None)
        if len(calls) > 1:
            assert finished.wait(10)
        return len(calls)

    cached = Cached(compute, fresh_s=0, stale_s=60)
    cached.value()

    assert cached.value() == 1
    finished.set()
    deadline = time.monotonic() + 10
    while cached.value() == 1:
        assert time.monotonic() < deadline


def test_one_thread_computes_for_all():
    started = threading.Barrier(8)
    compute = counter()
    cached = Cached(compute, fresh_s=60, stale_s=60)
    seen = []

    def ask():
        started.wait()
        seen.append(cached.value())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == [1] * 8


def test_a_failure_reaches_the_caller():
    def fail():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        Cached(fail, fresh_s=1, stale_s=1).value()
