"""Processes that are not our children."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from installer.errors import NotHealthy, PhaseFailed
from installer.sandbox import await_ssh
from installer.sandbox.process import ProcessId, identify, run, wait_until


def test_a_number_that_was_given_to_another_process_is_not_the_same_process():
    """`down` must never kill a stranger that got a dead host's number."""
    own = identify(os.getpid())
    earlier = ProcessId(own.pid, own.started - 1)

    earlier.kill()  # it would end this test run

    assert own.is_alive()
    assert not earlier.is_alive()


def test_a_process_that_has_ended_is_waited_for():
    with subprocess.Popen(["sleep", "60"]) as child:
        process = identify(child.pid)
        assert not process.wait(0.01)

        process.kill()

        assert process.wait(5)
        assert not process.is_alive()


def test_a_detached_process_outlives_the_command_that_started_it(tmp_path):
    script = (
        "from pathlib import Path\n"
        "from installer.sandbox.process import start_detached\n"
        f"print(start_detached(['sleep', '60'], log=Path({str(tmp_path / 'log')!r})).pid)"
    )

    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    process = identify(int(started.stdout))

    assert process.is_alive()
    process.kill()
    assert process.wait(5)


def test_the_complaint_of_a_tool_is_in_the_error():
    with pytest.raises(PhaseFailed, match="No such file"):
        run(["ls", "/nowhere/at/all"])


def test_a_wait_tells_what_did_not_come_true():
    with pytest.raises(NotHealthy, match="the moon is full: not so after 0 s"):
        wait_until(lambda: False, what="the moon is full", timeout_s=0)


@pytest.mark.parametrize(
    ("greeting", "silent"),
    [(b"SSH-2.0-OpenSSH\r\n", set()), (b"HTTP/1.1 400\r\n", {"127.0.0.1"})],
)
def test_only_a_greeting_of_ssh_counts_as_an_answer(greeting, silent):
    """A port that is open before the daemon greets would end the wait too early."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()
        thread = threading.Thread(target=_greet, args=(server, greeting, stop))
        thread.start()

        found = await_ssh.silent_addresses(
            {"127.0.0.1"}, timeout_s=0.3, port=server.getsockname()[1]
        )

        stop.set()
        thread.join()
    assert found == silent


def _greet(server, greeting, stop):
    server.settimeout(0.05)
    while not stop.is_set():
        try:
            connection, _ = server.accept()
        except TimeoutError:
            continue
        with connection:
            connection.sendall(greeting)
