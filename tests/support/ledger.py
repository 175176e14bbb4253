"""A program beside or on a host whose every line is kept on the controller."""

import itertools
import json
import math
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cluster import ROOT, TOOL, Cluster

_PROGRAMS = Path(__file__).parent / "programs"
_MANAGER_PYTHON = "/opt/manager/env/bin/python"
_MANAGER_USER = "cfyuser"
_END_S = 60


@dataclass(frozen=True)
class Ledger:
    """The lines that a program has printed so far, one JSON object each."""

    path: Path

    def entries(self) -> list[dict[str, Any]]:
        *whole, _torn = self.path.read_text().split("\n")
        return [json.loads(line) for line in whole]

    def acknowledged(self, *, since: float = 0) -> dict[int, float]:
        """Return the time of each number that was acknowledged."""
        return {
            entry["number"]: entry["time"]
            for entry in self.entries()
            if "number" in entry and entry["time"] > since
        }

    def longest_gap_s(self, *, begin: float = 0, end: float = math.inf) -> float:
        """Return the longest time between two acknowledgements that reaches into a span."""
        times = sorted(self.acknowledged().values())
        return max(
            after - before
            for before, after in itertools.pairwise(times)
            if after > begin and before < end
        )


def program(name: str) -> str:
    """Return the text of a program below `programs`, to be run by `python -c`."""
    return (_PROGRAMS / f"{name}.py").read_text()


def as_manager(name: str, *words: str) -> tuple[str, ...]:
    """Return the command that runs a program on a manager's host as its services run theirs."""
    return ("runuser", "-u", _MANAGER_USER, "--", _MANAGER_PYTHON, "-c", program(name), *words)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command that prints a ledger: on a host, or beside the hosts."""

    words: tuple[str, ...]
    host: str | None = None
    stdin: str = field(default="", repr=False)

    def command(self, cluster: Cluster) -> list[str]:
        place = ("--host", self.host) if self.host else ()
        return [*TOOL, "sandbox", "exec", cluster.name, *place, "--", *self.words]


@contextmanager
def kept(cluster: Cluster, task: Task, path: Path) -> Iterator[Ledger]:
    """Keep a ledger while the block runs; the end of its input tells the program to end."""
    with path.open("w") as lines, path.with_suffix(".err").open("w") as errors:
        process = subprocess.Popen(
            task.command(cluster),
            stdin=subprocess.PIPE,
            stdout=lines,
            stderr=errors,
            text=True,
            cwd=ROOT,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(task.stdin)
        process.stdin.flush()
        yield Ledger(path)
    finally:
        process.stdin.close()
        try:
            code = process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    assert code == 0, path.with_suffix(".err").read_text()


def now() -> float:
    """Return the time as programs print it: hosts share this machine's clock."""
    return time.time()
