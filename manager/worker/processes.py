"""Run tasks in processes of their own, forked from a zygote: the worker's side."""

import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manager.errors import ManagerError
from manager.worker.zygote import kill_group

_MESSAGE_BYTES = 1024
_CHUNK_BYTES = 1 << 16
_START_TIMEOUT_S = 60
TERMINATE_GRACE_S = 5.0

logger = logging.getLogger(__name__)


class TaskFailed(ManagerError):
    """The task raised; `payload` is the error as cloudify-common's workflows understand it."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        super().__init__(str(payload.get("message")))
        self.payload = payload


class TaskLost(ManagerError):
    """The task's process ended without a result."""


class TaskTimedOut(ManagerError):
    """The task took longer than it may."""


class TaskKilled(ManagerError):
    """The task was ended because somebody asked for it."""


@dataclass(slots=True, eq=False)
class Task:
    """A task that runs; `wait` gives its result."""

    number: int
    connection: socket.socket
    began: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    pid: int | None = None
    exit_status: int | None = None
    is_killed: bool = False

    def wait(self, timeout_s: float | None = None) -> Any:
        """Return the task's result, or raise TaskFailed, TaskLost, TaskKilled or TaskTimedOut."""
        self.connection.settimeout(timeout_s)
        try:
            answer = self._receive(timeout_s)
        except TimeoutError as error:
            self.kill()
            raise TaskTimedOut(f"It did not end within {timeout_s} seconds") from error
        finally:
            self.connection.close()
        if not answer:
            raise self._loss()
        outcome = json.loads(answer)
        if outcome["type"] == "error":
            raise TaskFailed(outcome["payload"])
        return outcome["payload"]

    def terminate(self) -> None:
        """End the task: politely, after five seconds not."""
        self.is_killed = True
        self._signal(signal.SIGTERM)
        if not self.ended.wait(TERMINATE_GRACE_S):
            self.kill()

    def kill(self) -> None:
        """End the task at once, with all that it has started."""
        self.is_killed = True
        self._signal(signal.SIGKILL)
        self.ended.wait(TERMINATE_GRACE_S)

    def note(self, message: Mapping[str, Any]) -> None:
        """Take in what the zygote tells of this task."""
        if "pid" in message:
            self.pid = message["pid"]
            self.began.set()
        else:
            self.exit_status = message["exit"]
            self.mark_ended()

    def mark_ended(self) -> None:
        """Let whoever waits see the end, even if a descendant still holds the socket."""
        self.began.set()
        self.ended.set()
        try:
            self.connection.shutdown(socket.SHUT_RD)
        except OSError:
            logger.debug("task %d: its socket is closed already", self.number)

    def _receive(self, timeout_s: float | None) -> bytes:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        chunks = []
        try:
            while chunk := self.connection.recv(_CHUNK_BYTES):
                chunks.append(chunk)
                if deadline is not None:
                    self.connection.settimeout(max(0.001, deadline - time.monotonic()))
        except ConnectionResetError:  # it was ended before it had read its request
            return b""
        return b"".join(chunks)

    def _loss(self) -> ManagerError:
        self.ended.wait(TERMINATE_GRACE_S)
        if self.is_killed:
            return TaskKilled("The task was cancelled")
        status = self.exit_status
        if status is not None and status < 0:
            return TaskLost(f"The task's process was ended by {signal.Signals(-status).name}")
        return TaskLost(f"The task's process ended without a result (exit status {status})")

    def _signal(self, number: signal.Signals) -> None:
        if self.began.wait(TERMINATE_GRACE_S) and not self.ended.is_set() and self.pid is not None:
            kill_group(self.pid, number)


class ForkServer:
    """A zygote as the worker sees it, and the tasks that it has forked."""

    def __init__(self, python: Path, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [str(python), "-m", "manager.worker.zygote", str(descriptor)],
                env=dict(environment),
                pass_fds=(descriptor,),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a terminal's signals are for the worker
            )
        self._control = ours
        self._numbers = itertools.count(1)
        self._tasks: dict[int, Task] = {}
        self._lock = threading.Lock()
        self.used_at = time.monotonic()
        self._await_ready()
        threading.Thread(target=self._listen, name="zygote", daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Tell whether tasks can be forked from it."""
        return self._process.poll() is None

    @property
    def is_idle(self) -> bool:
        """Tell whether no task of it runs."""
        return not self._tasks

    def start(self, request: Mapping[str, Any]) -> Task:
        """Fork a process that performs `request`; raise TaskLost if the zygote is gone."""
        body = json.dumps(request).encode()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            number = next(self._numbers)
            task = self._tasks[number] = Task(number, ours)
            self.used_at = time.monotonic()
            try:
                header = json.dumps({"task": number}).encode()
                socket.send_fds(self._control, [header], [theirs.fileno()])
            except OSError as error:
                del self._tasks[number]
                ours.close()
                raise TaskLost("The process that tasks are forked from is gone") from error
        self._send(task, body)
        return task

    def stop(self) -> None:
        """End the zygote; it ends its tasks."""
        try:
            self._control.shutdown(socket.SHUT_RDWR)  # a close would wait for the listening thread
        except OSError:
            logger.debug("the zygote had gone before")
        try:
            self._process.wait(TERMINATE_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, task: Task, body: bytes) -> None:
        try:
            task.connection.sendall(body)
            task.connection.shutdown(socket.SHUT_WR)
        except OSError:  # it died at once: `wait` tells how
            logger.warning("task %d ended before it had its request", task.number)

    def _await_ready(self) -> None:
        self._control.settimeout(_START_TIMEOUT_S)
        if not self._control.recv(_MESSAGE_BYTES):
            self.stop()
            raise TaskLost("The process that tasks are forked from did not start")
        self._control.settimeout(None)

    def _listen(self) -> None:
        try:
            while message := self._control.recv(_MESSAGE_BYTES):
                self._note(json.loads(message))
        except OSError:
            logger.debug("the zygote's socket was closed")
        self._control.close()
        for task in list(self._tasks.values()):
            if task.pid is not None:
                kill_group(task.pid, signal.SIGKILL)  # nobody tells any more how it ends
            task.mark_ended()
        self._tasks.clear()

    def _note(self, message: Mapping[str, Any]) -> None:
        task = self._tasks.get(message["task"])
        if task is None:
            return
        task.note(message)
        if "exit" in message:
            del self._tasks[task.number]
            self.used_at = time.monotonic()


def own_python() -> Path:
    """Return the interpreter of the runtime's environment."""
    return Path(sys.executable)


def base_environment() -> dict[str, str]:
    """Return the environment that zygotes inherit."""
    return dict(os.environ)
