"""What a node knows of an upgrade that the controller has begun: who works on the node waits too.

The mark is written before the managers stop and goes once they work again, by the controller both
times; a run that was killed between is gone on with, and takes it away.
"""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installer.actions.installed import STATE
from installer.errors import Problem, Refused
from installer.lock import hold_lock

_FILE = "under-way.json"
_HARMLESS = frozenset(("stop", "remove", "status-reporter configure", "status-reporter remove"))


@contextmanager
def hold_node(command: str, folder: Path = STATE) -> Iterator[None]:
    """Hold this node's lock for the time of a run.

    Raises Refused while another run holds it, or the controller's mark forbids the command.
    """
    with hold_lock(folder / "lock", command):
        if command not in _HARMLESS and (problem := _marked(folder)):
            raise Refused(problem)
        yield


def mark_script(problem: Problem, folder: Path = STATE) -> str:
    """Return shell text that leaves what is under way on a node, whole or not at all."""
    path = shlex.quote(str(folder / _FILE))
    known = {"what": problem.what, "remedy": problem.remedy, "code": problem.code}
    return (
        f"mkdir -p -m 0700 {shlex.quote(str(folder))}\n"
        f"printf '%s\\n' {shlex.quote(json.dumps(known))} > {path}.new\n"
        f"mv {path}.new {path}\n"
    )


def unmark_script(folder: Path = STATE) -> str:
    """Return shell text that takes the mark away."""
    return f"rm -f {shlex.quote(str(folder / _FILE))}\n"


def _marked(folder: Path) -> Problem | None:
    path = folder / _FILE
    if not path.exists():
        return None
    known = json.loads(path.read_text(encoding="utf-8"))
    remedy = f"on the controller: {known['remedy']}"
    return Problem(where=str(path), what=known["what"], remedy=remedy, code=known["code"])
