"""What a node knows of an upgrade that a controller has begun: others who work on it wait too.

Those are people on the node itself, and other controllers. The mark is written before anything
changes and goes once the upgrade has ended or was taken back, by its controller both times; a run
that was killed between is gone on with, and takes it away.
"""

import json
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.actions.installed import STATE
from installer.engine.engine import Engine
from installer.errors import PhaseFailed, Problem, Refused
from installer.lock import hold_lock

_FILE = "under-way.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An upgrade that another run must go on with, or take back, and what may run meanwhile."""

    problem: Problem
    passing: frozenset[str]  # commands as a cluster's lock knows them

    def forbids(self, command: str) -> bool:
        """Tell whether a command must wait; one of a node is ruled as the cluster's of its name."""
        return not {command, f"cluster {command}"} & self.passing


@contextmanager
def hold_node(command: str, folder: Path = STATE) -> Iterator[None]:
    """Hold this node's lock for the time of a run.

    Raises Refused while another run holds it, or the controller's mark forbids the command.
    """
    path = folder / _FILE
    with hold_lock(folder / "lock", command):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text and (mark := _read(text, str(path))).forbids(command):
            raise Refused(mark.problem)
        yield


def mark_script(mark: Mark, folder: Path = STATE) -> str:
    """Return shell text that leaves what is under way on a node, whole or not at all."""
    path, problem = shlex.quote(str(folder / _FILE)), mark.problem
    known = {"what": problem.what, "remedy": problem.remedy, "code": problem.code}
    text = json.dumps(known | {"passing": sorted(mark.passing)})
    return (
        f"mkdir -p -m 0700 {shlex.quote(str(folder))}\n"
        f"printf '%s\\n' {shlex.quote(text)} > {path}.new\n"
        f"mv {path}.new {path}\n"
    )


def unmark_script(folder: Path = STATE) -> str:
    """Return shell text that takes the mark away."""
    return f"rm -f {shlex.quote(str(folder / _FILE))}\n"


def look_script(folder: Path = STATE) -> str:
    """Return shell text that prints the mark, if there is one."""
    path = shlex.quote(str(folder / _FILE))
    return f"[ ! -e {path} ] || cat {path}\n"


def unmark(engine: Engine, nodes: Iterable[str]) -> None:
    """Let others work on these nodes again; raises PhaseFailed where one keeps the mark."""
    ended = engine.on_each(nodes, lambda session: session.run(unmark_script()))
    if failed := [outcome.error for outcome in ended.values() if outcome.error is not None]:
        raise PhaseFailed(*failed)


def marks_on(engine: Engine, nodes: Iterable[str]) -> Iterator[Mark]:
    """Yield the mark of each node that has one; a node that does not answer has none to show."""
    seen = engine.on_each(nodes, lambda session: session.run(look_script()).stdout)
    for node, outcome in seen.items():
        if outcome.value:
            yield _read(outcome.value, node)


def _read(text: str, where: str) -> Mark:
    known: dict[str, Any] = json.loads(text)
    problem = Problem(
        where=where,
        what=known["what"],
        remedy=f"on the controller that began it: {known['remedy']}",
        code=known["code"],
    )
    return Mark(problem=problem, passing=frozenset(known["passing"]))
