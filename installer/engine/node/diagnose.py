"""Find what known causes left on this node: in journals, log files, and its own state."""

from __future__ import annotations

import os
import time

from installer.engine.node.script import run_command

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from collections.abc import Iterator
    from typing import Any

    Line = tuple[str, float, str]  # where it stands, when it was said, the line itself

_EARLIER_S = 900.0  # a service that gave up before this run said why when it did
_JOURNAL_LINES = "4000"  # peers that are refused write hundreds of lines a second
_FILE_BYTES = 512 * 1024
_TAIL_LINES = 30
_LINE_LENGTH = 400
_BEFORE_MATCH = 160
_COMMAND_S = 20.0
_LOOK_INTERVAL_S = 4.0
_LOOKS = 3  # a cause that passes by itself is gone before
_FORGOTTEN_S = 45.0  # a service that starts slowly says it once in each of its attempts
_BEFORE_GATE_S = 5.0  # the stage started its units before its gate
_LOGS = {"rabbitmq-server.service": "/var/log/rabbitmq"}  # its journal has only warnings
HOST, SAID, ANY, KERNEL = "host", "said", "any", "kernel"


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Return each code that matches with its newest line in each source, and each journal's end.

    Only what was said within the last `since_s` counts, unless nothing there matches.
    """
    from installer.engine.node.probes import failing_units, host_lines

    now = time.time()
    failing = failing_units(request["units"])
    lines = [(SAID, now, text) for text in request["said"].splitlines()]
    lines += [(HOST, now, text) for text in host_lines(request, failing)]
    spoken = list(log_lines(request["units"], now - max(_EARLIER_S, request["since_s"])))
    recent = [line for line in spoken if line[1] >= now - request["since_s"]]
    found = matches(lines + recent, request["signs"])
    if not found:
        found = matches(spoken, request["signs"])
    return {
        "matches": [(code, *line) for (code, _), line in found.items()],
        "failing": [facts["Id"] for facts in failing],
        "journal": {unit: _tail(spoken, unit) for unit in request["units"]},
    }


class Watch:
    """Looks now and then, while a gate waits, for a cause that waiting cannot cure."""

    def __init__(self, units: list[str], wanted: dict[str, Any]) -> None:
        self._units = units
        self._wanted = wanted
        self._began = self._heard = time.time()
        self._looked = time.monotonic()
        self._seen: dict[str, tuple[int, float]] = {}  # code → how many looks, when the last did
        self.is_hopeless = False

    def sees_no_hope(self, said: str = "") -> bool:
        """Tell whether one cause came again and again; look when it is time.

        `said` is the check's last answer.
        """
        now = time.monotonic()
        if not self._wanted["signs"] or now < self._looked + _LOOK_INTERVAL_S:
            return False
        self._looked = now
        self._seen = {
            code: (count, when)
            for code, (count, when) in self._seen.items()
            if when > now - _FORGOTTEN_S
        }
        for code in self._look(said):
            self._seen[code] = (self._seen.get(code, (0, now))[0] + 1, now)
        self.is_hopeless = any(count >= _LOOKS for count, _ in self._seen.values())
        return self.is_hopeless

    def _look(self, said: str) -> set[str]:
        """Return the codes of what was said since the last look, or since the start by the dead."""
        from installer.engine.node.probes import hopeless_lines, unit_facts

        since, self._heard = self._heard, time.time()
        dead = [f["Id"] for f in unit_facts(self._units) if f.get("ActiveState") == "failed"]
        living = [unit for unit in self._units if unit not in dead]
        lines = [(HOST, since, text) for text in hopeless_lines(self._units, self._wanted["ports"])]
        lines += [(SAID, since, text) for text in said.splitlines()]
        lines += log_lines(dead, self._began - _BEFORE_GATE_S)
        lines += [line for line in log_lines(living, since) if line[1] >= since]
        return {code for code, _ in matches(lines, self._wanted["signs"])}


def matches(lines: list[Line], signs: list[tuple[str, str, str]]) -> dict[tuple[str, str], Line]:
    """Return (code, where) → the newest line that shows it; `signs`: code, source and pattern."""
    import re

    found: dict[tuple[str, str], Line] = {}
    patterns = [(code, source, re.compile(pattern)) for code, source, pattern in signs]
    for where, when, text in lines:
        name = where.removesuffix(".service")
        for code, source, pattern in patterns:
            if source not in (name, ANY):
                continue
            if ((code, where) in found) and found[code, where][1] > when:
                continue
            if match := pattern.search(text):
                found[code, where] = (where, when, _excerpt(text, match.start()))
    return found


def log_lines(units: list[str], since: float) -> Iterator[Line]:
    """Yield what units, their log files and the kernel said since a moment, oldest first each."""
    for unit in units:
        yield from _journal([f"--unit={unit}"], unit, since)
        if unit in _LOGS:
            yield from _files(_LOGS[unit], unit, since)
    yield from _journal(["--dmesg"], KERNEL, since)


def _journal(words: list[str], where: str, since: float) -> Iterator[Line]:
    bounds = [f"--since=@{since:.0f}", f"--lines={_JOURNAL_LINES}"]
    form = ["--output=short-unix", "--no-pager", "--quiet"]
    told = run_command(["journalctl", *words, *bounds, *form], timeout_s=_COMMAND_S)
    when = since
    for line in str(told["stdout"]).splitlines():
        stamp, _, rest = line.partition(" ")
        if stamp.replace(".", "", 1).isdigit():
            when, line = float(stamp), rest.partition(" ")[2]  # the host's name needs no repeating
        yield (where, when, line)


def _files(folder: str, where: str, since: float) -> Iterator[Line]:
    """Yield the lines of a folder's log files; a line without a date is as old as that above it."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for path in (os.path.join(folder, name) for name in names if name.endswith(".log")):
        if os.stat(path).st_mtime < since:
            continue
        with open(path, "rb") as file:
            file.seek(max(0, os.stat(path).st_size - _FILE_BYTES))
            text = file.read().decode("utf-8", "replace")
        when = 0.0
        for line in text.splitlines():
            when = _moment(line) or when
            if when >= since:
                yield (where, when, line)


def _moment(line: str) -> float | None:
    """Return when a line was written, if it begins with a date: 2026-11-21 15:08:04.385+00:00."""
    from datetime import datetime

    if not line[:4].isdigit():
        return None
    try:
        return datetime.fromisoformat(" ".join(line.split(" ", 2)[:2])).timestamp()
    except ValueError:
        return None


def _excerpt(text: str, start: int) -> str:
    """Return the part of a long line around what matched."""
    if len(text) <= _LINE_LENGTH:
        return text.strip()
    first = max(0, min(start - _BEFORE_MATCH, len(text) - _LINE_LENGTH))
    return ("…" if first else "") + text[first : first + _LINE_LENGTH].strip() + "…"


def _tail(lines: list[Line], unit: str) -> str:
    return "\n".join([text for where, _, text in lines if where == unit][-_TAIL_LINES:])
