"""Runs of cfy_manager that are killed in their middle."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.cluster import ROOT, TOOL, Cluster

Event = dict[str, Any]
_WAIT_S = 600
_LOOK_AGAIN_S = 0.01  # what is waited for may be short


def killed_run(
    cluster: Cluster, words: tuple[str | Path, ...], when: Callable[[Event], bool]
) -> list[Event]:
    """Begin a command with `--json`, kill it at an event, and return the events until then."""
    command = (*TOOL, "sandbox", "exec", cluster.name, "--", *TOOL, *map(str, words), "--json")
    events: list[Event] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if when(events[-1]):
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.wait()
    assert process.returncode == -signal.SIGKILL, f"it ended before it was killed: {events[-1:]}"
    return events


def killed_when(
    cluster: Cluster, words: tuple[str | Path, ...], what: str, when: Callable[[], object]
) -> None:
    """Begin a command and kill it as soon as a condition holds, which is asked all the while."""
    command = (*TOOL, "sandbox", "exec", cluster.name, "--", *TOOL, *map(str, words))
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=ROOT, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    ) as process:
        try:
            _await_while(process, what, when)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _await_while(process: subprocess.Popen[bytes], what: str, when: Callable[[], object]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not when():
        assert process.poll() is None, f"it ended before it was killed, and never: {what}"
        assert time.monotonic() < deadline, f"not within {_WAIT_S} s: {what}"
        time.sleep(_LOOK_AGAIN_S)


def events_of(said: str) -> list[Event]:
    """Return the events of a run that was told as JSON."""
    return [json.loads(line) for line in said.splitlines()]


def finished(events: list[Event], phase: str) -> dict[str, str]:
    """Return how each node of a phase ended."""
    return {
        event["node"]: event["outcome"]
        for event in events
        if event["kind"] == "node-finished" and event["phase"] == phase
    }
