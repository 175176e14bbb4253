"""The engine's end of an agent: a stream to it, over SSH or on this machine, and what it knows."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from installer.engine.wire import BEGAN, EXIT, agent_text, modules_of, request_text

_END_S = 5


@dataclass(frozen=True, slots=True)
class Request:
    """A program of `installer.engine.node`, what it is told, and how long it may take there."""

    program: str
    body: dict[str, Any]
    limit_s: int


class AgentGone(Exception):
    """An agent had ended before it began a request: another may be asked the same."""


class Stream(Protocol):
    """Two ends of a process: its stdin, and its output in lines."""

    @property
    def is_open(self) -> bool:
        """Tell whether the process may still answer."""

    def send(self, text: str) -> None:
        """Write to its stdin."""

    def lines(self) -> Iterator[str]:
        """Yield its output, stderr included, until it ends."""

    def close(self) -> None:
        """End it: its stdin ends, and it does as soon as it has answered."""


class Agent:
    """One agent on a node; it answers one request at a time."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._lines = stream.lines()
        self._known: set[str] = set()
        self._has_answered = False
        stream.send(agent_text())

    @property
    def is_alive(self) -> bool:
        """Tell whether it can take a request."""
        return self._stream.is_open

    def ask(self, request: Request) -> list[str]:
        """Return the lines that answer a request; fewer than whole when the agent ends.

        Raises AgentGone when one that has served before ended without a sign of this request.
        """
        text = request_text(
            request.program, request.body, limit_s=request.limit_s, known=self._known
        )
        self._known.update(modules_of(request.program))
        try:
            self._stream.send(text)
        except OSError as error:
            if not self._has_answered:
                raise
            raise AgentGone from error
        answer = self._answer()
        if self._has_answered and BEGAN not in answer:
            raise AgentGone
        self._has_answered = True
        return [line for line in answer if line != BEGAN]

    def _answer(self) -> list[str]:
        answer = []
        for line in self._lines:
            answer.append(line)
            if line.startswith(EXIT):
                return answer
        self._stream.close()
        return answer

    def close(self) -> None:
        """End the agent."""
        self._stream.close()


class LocalStream:
    """A command on this machine."""

    def __init__(self, line: str) -> None:
        pipe, errors = subprocess.PIPE, subprocess.STDOUT
        self._process = subprocess.Popen(["sh", "-c", line], stdin=pipe, stdout=pipe, stderr=errors)

    @property
    def is_open(self) -> bool:
        """Tell whether the command runs."""
        return self._process.poll() is None

    def send(self, text: str) -> None:
        """Write to its stdin."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def lines(self) -> Iterator[str]:
        """Yield its output until it ends."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        for line in iter(self._process.stdout.readline, b""):
            yield line.decode("utf-8", "replace").rstrip("\n")

    def close(self) -> None:
        """Close its stdin and wait; one that does not end is killed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018 - they are pipes
        with contextlib.suppress(BrokenPipeError):  # it had ended before it read everything
            stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        stdout.close()

    def kill(self) -> None:
        """End it at once, from any thread; who reads its lines sees the end of them."""
        self._process.kill()
