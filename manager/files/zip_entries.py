"""The entries of a zip file."""

import stat
import zipfile
from collections.abc import Iterator
from typing import IO, cast

from manager.errors import BadArchive
from manager.files.entries import Budget, Entry, Guard, entry_parts
from manager.files.links import link_parts

_MAX_LINK = 4096
_PLAIN = (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)  # 0: packed where there are no modes


def zip_entries(file: IO[bytes], budget: Budget) -> Iterator[Entry]:
    """Yield each entry of a zip file, in its order."""
    guard = Guard(file, max_read=budget.limits.index_bytes)
    with zipfile.ZipFile(cast(IO[bytes], guard)) as archive:
        for info in archive.infolist():
            budget.take_entry()
            entry = _entry(archive, info)
            if entry.parts:
                yield entry


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    parts, mode = entry_parts(info.filename), info.external_attr >> 16
    if info.is_dir():
        return Entry(parts=parts, is_folder=True)
    if stat.S_IFMT(mode) not in _PLAIN or not parts:
        raise BadArchive(f"The archive has something that is no file: {info.filename[:200]!r}")
    if stat.S_ISLNK(mode):
        return Entry(parts=parts, link=link_parts(_link_name(archive, info), parts[:-1]))
    return Entry(parts=parts, is_program=bool(mode & 0o111), open=lambda: archive.open(info))


def _link_name(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with archive.open(info) as file:
        return file.read(_MAX_LINK).decode()
