"""Ask this node many things at once, each within a time, and hand over its configuration files."""

from __future__ import annotations

import glob
import os
import stat
import time

from installer.engine.node.script import TIMED_OUT, run_script
from installer.engine.node.side_by_side import side_by_side
from installer.engine.node.written import written

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_AT_ONCE = 3  # a node in trouble has no processors to spare
_SECRET_NAMES = (".key", ".p12", ".jks", "-key.pem", ".erlang.cookie", "pgpass", ".pgpass")
_PRIVATE = b"PRIVATE KEY-----"
_BINARY = b"\0"


class _Answers:
    """Questions that are asked a few at a time until none is left or the time is over."""

    def __init__(self, questions: list[tuple[str, str, float]], limit_s: float) -> None:
        self._waiting = list(reversed(questions))
        self._end = time.monotonic() + limit_s
        self.texts: list[tuple[str, bytes]] = []
        self.failed: list[tuple[str, str]] = [
            (name, "it was not asked in time") for name, _, _ in questions
        ]

    def work(self) -> None:
        """Ask one after the other."""
        while self._waiting and time.monotonic() < self._end:
            name, script, timeout_s = self._waiting.pop()
            left = min(timeout_s, self._end - time.monotonic())
            done = run_script(script, {}, max(1.0, left))
            self.texts.append((name, _answer(script, done)))
            self.failed.remove((name, "it was not asked in time"))
            if done["code"]:
                self.failed.append((name, _words(done)))


def _answer(script: str, done: dict[str, Any]) -> bytes:
    asked = "\n".join(f"$ {line}" for line in script.strip().splitlines())
    end = f"[exit {done['code']}]" if done["code"] else ""
    parts = (asked, done["stdout"].rstrip(), done["stderr"].rstrip(), end)
    return ("\n".join(part for part in parts if part) + "\n").encode()


def _words(done: dict[str, Any]) -> str:
    if done["code"] == TIMED_OUT:
        return "no end within its time"
    said = (done["stderr"].strip() or done["stdout"].strip()).splitlines()
    return f"exit {done['code']}" + (f": {said[-1][:200]}" if said else "")


def configuration_files(patterns: list[str]) -> list[str]:
    """Return the files that our runs wrote, and those that patterns find; no key among them."""
    ours = set(written().get("file", ()))
    found = {path for pattern in patterns for path in glob.glob(pattern, recursive=True)}
    return sorted(path for path in ours | found if not path.endswith(_SECRET_NAMES))


def _content(path: str, limit: int) -> tuple[bytes, bool] | None:
    """Return the beginning of a text file, and whether its end is missing; None of all else."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            head = file.read(limit + 1)
    except OSError:  # gone since it was listed
        return None
    if _PRIVATE in head or _BINARY in head:
        return None
    return head[:limit], len(head) > limit


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Return texts by their names, the names of those that are cut, and what failed.

    `limit` holds for each file, `total` for all of them; `limit_s` for all questions together.
    """
    answers = _Answers(request["questions"], request["limit_s"])
    side_by_side([(answers.work, ())] * _AT_ONCE, request["limit_s"])
    texts, failed = list(answers.texts), list(answers.failed)
    cut: list[str] = []
    left = request["total"]
    for path in configuration_files(request["files"]):
        found = _content(path, min(request["limit"], left))
        if found is None:
            continue
        content, is_cut = found
        name = f"files{path}"
        texts.append((name, content))
        left -= len(content)
        if is_cut:
            cut.append(name)
    return {"texts": texts, "cut": cut, "failed": failed}
