"""Hand over a node's journal and log files, from a moment on, within a size."""

from __future__ import annotations

import os

from installer.engine.node.base import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any


def journal(since: int, limit: int, seconds: float) -> tuple[bytes, bool]:
    """Return the end of the journal since a moment, and whether anything of it lacks.

    Only the end is ever held: a host in trouble writes more than it has memory. What is read when
    the time is over is returned.
    """
    import subprocess
    import threading

    # short-iso-precise: sortable beside other nodes' times
    words = ["journalctl", f"--since=@{since}", "--utc", "--no-pager", "--quiet"]
    out, errors = os.memfd_create("journal"), os.memfd_create("errors")
    try:
        with subprocess.Popen(
            [*words, "--output=short-iso-precise"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as reader:
            timer = threading.Timer(seconds, reader.kill)
            timer.daemon = True
            timer.start()
            subprocess.run(["tail", f"--bytes={limit + 1}"], stdin=reader.stdout, stdout=out)
            timer.cancel()
        if reader.returncode > 0:
            said = _end(errors, 300)[0].decode("utf-8", "replace").strip()
            raise Failure("journalctl", said, "see `journalctl --verify` there")
        text, is_cut = _end(out, limit)
        return text, is_cut or reader.returncode < 0
    finally:
        os.close(out)
        os.close(errors)


def _end(descriptor: int, limit: int) -> tuple[bytes, bool]:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    start = max(0, size - limit)
    os.lseek(descriptor, start, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read(limit), start > 0


def log_files(folders: list[str], since: int) -> list[str]:
    """Return the regular files below folders that were written since a moment, newest first."""
    import stat

    found = []
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(parent, name)
                try:
                    seen = os.lstat(path)
                except FileNotFoundError:  # rotated since it was listed
                    continue
                if stat.S_ISREG(seen.st_mode) and seen.st_size and seen.st_mtime >= since:
                    found.append((-seen.st_mtime, path))
    return [path for _, path in sorted(found)]


def content(path: str, limit: int) -> tuple[bytes, bool] | None:
    """Return the end of a file, unpacked, and whether its beginning was cut off."""
    import gzip
    import zlib

    try:
        if not path.endswith(".gz"):
            with open(path, "rb") as file:
                return _end(file.fileno(), limit)
        with gzip.open(path) as packed:
            head = packed.read(limit + 1)
            return head[:limit], len(head) > limit
    except (FileNotFoundError, EOFError, gzip.BadGzipFile, zlib.error):
        return None  # rotated under our hands


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Return texts by their names, and the names of those that are cut or left out.

    `limit` holds for each text, `total` for all together; the journal goes first, then the files
    that were written last.
    """
    since, limit, left = request["since"], request["limit"], request["total"]
    texts: list[tuple[str, bytes]] = []
    cut: list[str] = []
    for name in ("journal.txt", *log_files(request["folders"], since)):
        most = min(limit, left)
        if name == "journal.txt":
            told: tuple[bytes, bool] | None = journal(since, most, request["journal_s"])
        else:
            told = content(name, most)
        if told is None:
            continue
        text, is_cut = told
        label = name.lstrip("/")
        if is_cut:
            cut.append(label)
        if text:
            texts.append((label.removesuffix(".gz"), text))
            left -= len(text)
    return {"texts": texts, "cut": cut}
