"""Runs on a host, as root: look for values in its files and its journal.

It comes by stdin, with `main(question)` as its last line, so that no value is on a command line;
grep reads the values from a pipe. Uses the standard library only.
"""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Container, Iterator
from pathlib import Path

_BATCH = 2000  # paths a command line takes
_JOURNAL = ("journalctl", "--output=export", "--all", "--no-pager")  # command lines as well


class Needles:
    """Values to look for, by their names."""

    def __init__(self, values: dict[str, str]) -> None:
        self._names = {value.encode(): name for name, value in values.items()}
        self._patterns = b"\n".join(self._names) + b"\n"

    def in_files(self, paths: list[str]) -> dict[str, list[str]]:
        """Return the names of the values that each of the files holds."""
        found: dict[str, set[str]] = {}
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            output = self._grep(b"", "--with-filename", "--null", "--", *batch)
            for line in output.splitlines():
                path, _, value = line.partition(b"\0")
                found.setdefault(os.fsdecode(path), set()).add(self._names[value])
        return {path: sorted(names) for path, names in found.items()}

    def in_text(self, text: bytes) -> list[str]:
        """Return the names of the values that a text holds."""
        return sorted({self._names[line] for line in self._grep(text, "-").splitlines()})

    def _grep(self, text: bytes, *words: str) -> bytes:
        read, write = os.pipe()
        with os.fdopen(write, "wb") as patterns:
            patterns.write(self._patterns)  # a few KB: the pipe holds them
        try:
            done = subprocess.run(
                ["grep", "-Fao", f"--file=/dev/fd/{read}", *words],
                input=text,
                capture_output=True,
                pass_fds=[read],
                env={**os.environ, "LC_ALL": "C"},
                check=False,
            )
        finally:
            os.close(read)
        vanished = b"No such file or directory"
        complaints = [line for line in done.stderr.splitlines() if not line.endswith(vanished)]
        if complaints:
            raise RuntimeError(b"\n".join(complaints).decode())
        return done.stdout


def walk(folder: str, skipped: Container[str], *, is_open: bool) -> Iterator[tuple[str, bool]]:
    """Yield each file below a folder, and whether everybody may read it."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # gone since it was listed
        return
    for entry in entries:
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(mode) and entry.path not in skipped:
            passes = is_open and bool(mode & stat.S_IXOTH)
            yield from walk(entry.path, skipped, is_open=passes)
        elif stat.S_ISREG(mode):
            yield entry.path, is_open and bool(mode & stat.S_IROTH)


def main(text: str) -> None:
    """Answer {"needles": {name: value}, "roots": [folders], "skipped": [folders]}.

    The answer is {"held": {path: [names]}, "open": [those that everybody may read], "journal":
    [names], "journal_bytes": size}.
    """
    question = json.loads(text)
    needles = Needles(question["needles"])
    files: dict[str, bool] = {}
    for root in question["roots"]:
        is_open = bool(Path(root).stat().st_mode & stat.S_IXOTH)
        files.update(walk(root, question["skipped"], is_open=is_open))
    held = needles.in_files(list(files))
    journal = subprocess.run(_JOURNAL, capture_output=True, check=True).stdout
    answer = {
        "held": held,
        "open": sorted(path for path in held if files[path]),
        "journal": needles.in_text(journal),
        "journal_bytes": len(journal),
    }
    json.dump(answer, sys.stdout)
