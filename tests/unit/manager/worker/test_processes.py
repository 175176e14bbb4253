"""Tasks run in processes of their own: what one does harms no other."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from manager.worker.processes import (
    ForkServer,
    Task,
    TaskFailed,
    TaskKilled,
    TaskLost,
    TaskTimedOut,
    own_python,
)

PROGRAMS = "tests.unit.manager.worker.programs"
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def server():
    server = ForkServer(own_python(), {**os.environ, "PYTHONPATH": str(ROOT)})
    yield server
    server.stop()


def call(server, function, **kwargs):
    request = {"kind": "call", "function": f"{PROGRAMS}.{function}", "kwargs": kwargs}
    return server.start(request)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_ended(pid):
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


def wait_until_written(path):
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} was not written"
        time.sleep(0.01)
    return int(path.read_text())


def test_a_task_gives_its_result(server):
    assert call(server, "add", a=1, b=2).wait() == 3


def test_each_task_has_a_process_and_group_of_its_own(server):
    first, second = call(server, "whoami"), call(server, "whoami")

    one, other = first.wait(), second.wait()

    assert one["pid"] != other["pid"] != os.getpid()
    assert one["pid"] == one["group"]


def test_large_results_arrive_whole(server):
    assert len(call(server, "repeat", text="x" * 1000, times=5000).wait()) == 5_000_000


def test_a_failure_is_told_as_workflows_understand_it(server):
    with pytest.raises(TaskFailed) as caught:
        call(server, "fail", message="no").wait()

    assert caught.value.payload["exception_type"] == "ValueError"
    assert caught.value.payload["message"] == "no"


def test_a_result_that_is_not_json_is_a_failure(server):
    with pytest.raises(TaskFailed, match="JSON"):
        call(server, "unserializable").wait()


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [("vanish", {"status": 3}, "exit status 3"), ("crash", {}, "SIGSEGV")],
)
def test_a_process_that_dies_is_told_from_one_that_fails(server, function, arguments, words):
    with pytest.raises(TaskLost, match=words):
        call(server, function, **arguments).wait()

    assert call(server, "add", a=1, b=1).wait() == 2


def test_a_task_that_takes_too_long_is_ended_with_its_children(server, tmp_path):
    task = call(server, "hang", seconds=60, note=str(tmp_path / "pid"))
    child = wait_until_written(tmp_path / "pid")

    with pytest.raises(TaskTimedOut):
        task.wait(timeout_s=0.2)

    wait_until_ended(child)


def test_a_task_that_ignores_sigterm_is_killed(server, monkeypatch, tmp_path):
    monkeypatch.setattr("manager.worker.processes.TERMINATE_GRACE_S", 0.3)
    task = call(server, "hang", seconds=60, stubborn=True, note=str(tmp_path / "pid"))
    wait_until_written(tmp_path / "pid")

    task.terminate()

    with pytest.raises(TaskKilled):
        task.wait()
    assert task.exit_status == -signal.SIGKILL


def test_a_task_that_is_ended_before_it_reads_its_request_is_lost(server):
    """The kernel tells that as a reset connection."""
    ours, theirs = socket.socketpair()
    task = Task(0, ours)
    ours.sendall(b"a request")
    theirs.close()
    task.ended.set()

    with pytest.raises(TaskLost):
        task.wait()


def test_a_thread_that_a_task_leaves_does_not_hold_it(server):
    began = time.monotonic()

    assert call(server, "leave_a_thread").wait() == "done"
    assert time.monotonic() - began < 10


def test_a_server_that_a_task_starts_lives_on(server, tmp_path):
    """Blueprints start web servers from scripts: they are the application."""
    pid = call(server, "leave_a_server", note=str(tmp_path / "pid")).wait()

    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)


def test_when_the_zygote_dies_its_tasks_are_lost_and_the_next_is_refused():
    server = ForkServer(own_python(), {**os.environ, "PYTHONPATH": str(ROOT)})
    task = call(server, "hang", seconds=60)
    task.began.wait(10)

    os.kill(server._process.pid, signal.SIGKILL)

    with pytest.raises(TaskLost):
        task.wait()
    wait_until_ended(task.pid)
    with pytest.raises(TaskLost):
        call(server, "add", a=1, b=1).wait()
    server.stop()
    assert not server.is_alive


def test_when_the_worker_is_gone_its_tasks_end(tmp_path):
    """Another worker runs them again: they must not run twice at once."""
    server = ForkServer(own_python(), {**os.environ, "PYTHONPATH": str(ROOT)})
    task = call(server, "hang", seconds=60, note=str(tmp_path / "pid"))
    child = wait_until_written(tmp_path / "pid")

    server.stop()

    with pytest.raises(TaskLost):
        task.wait()
    wait_until_ended(child)
