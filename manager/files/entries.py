"""What an archive consists of, and what it may cost."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from manager.errors import BadArchive
from manager.files.names import is_safe_name
from manager.files.tree import FILE_MODE, PROGRAM_MODE
from manager.files.write import make_folder

CHUNK = 256 * 1024
_MIN_INDEX = 1024 * 1024
_INDEX_BYTES_PER_ENTRY = 128  # an entry of a zip's central directory with a longish name


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may come out of an archive: `ratio` times its size, but `free_bytes` always."""

    entries: int = 50_000
    total_bytes: int = 8 * 1024**3
    ratio: int = 100
    free_bytes: int = 64 * 1024**2

    @property
    def index_bytes(self) -> int:
        """Return how large a zip file's directory may be; it is read into memory at once."""
        return max(_MIN_INDEX, self.entries * _INDEX_BYTES_PER_ENTRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, a folder or a link of an archive; `link` is what it stands for, from the top."""

    parts: tuple[str, ...]
    is_folder: bool = False
    is_program: bool = False
    link: tuple[str, ...] | None = None
    open: Callable[[], IO[bytes]] | None = None


class Budget:
    """What is left of the limits; raises BadArchive when they are used up."""

    def __init__(self, limits: Limits, archive_bytes: int) -> None:
        self.limits = limits
        grown = max(limits.free_bytes, archive_bytes * limits.ratio)
        self.max_bytes = min(limits.total_bytes, grown)
        self._bytes = 0
        self._entries = 0

    def take_entry(self) -> None:
        """Count an entry."""
        self._entries += 1
        if self._entries > self.limits.entries:
            raise BadArchive(f"The archive has more than {self.limits.entries} entries")

    def take_bytes(self, count: int) -> None:
        """Count bytes that go to disk."""
        self._bytes += count
        if self._bytes > self.max_bytes:
            raise BadArchive(f"The archive unpacks to more than {self.max_bytes} bytes")


class Guard:
    """An archive's stream whose readers cannot be led to take it all into memory.

    The libraries believe the sizes that an archive tells of its own headers.
    """

    def __init__(self, file: IO[bytes], *, max_read: int, max_position: int | None = None) -> None:
        self._file = file
        self._max_read = max_read
        self._max_position = max_position

    def read(self, size: int = -1) -> bytes:
        """Read as a file does, but not more than the limit."""
        if size > self._max_read:
            raise BadArchive(f"The archive has a header of {size} bytes")
        data = self._file.read(self._max_read + 1 if size < 0 else size)
        if len(data) > self._max_read:
            raise BadArchive("The archive has a header without an end")
        self._check(self._file.tell())
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek as a file does; a compressed stream is unpacked up to there."""
        if whence == os.SEEK_SET:
            self._check(offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Tell that one can seek."""
        return True

    def _check(self, position: int) -> None:
        if position < 0:
            raise BadArchive("The archive is broken: it refers to a place before its beginning")
        if self._max_position is not None and position > self._max_position:
            raise BadArchive(f"The archive unpacks to more than {self._max_position} bytes")


def entry_parts(name: str) -> tuple[str, ...]:
    """Return the names in an entry's path; raises BadArchive for one that leads elsewhere."""
    if name.startswith("/"):
        raise BadArchive(f"The archive has an absolute path: {name[:200]!r}")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if not all(map(is_safe_name, parts)):
        raise BadArchive(f"The archive has a path that is not allowed: {name[:200]!r}")
    return parts


def write_entry(entry: Entry, folder: Path, budget: Budget) -> None:
    """Write a file or make a folder; a file that comes twice is there as it came last."""
    path = folder.joinpath(*entry.parts)
    if entry.is_folder or entry.open is None:
        make_folder(path)
        return
    make_folder(path.parent)
    with entry.open() as source, _create(path, entry.is_program) as target:
        while chunk := source.read(CHUNK):
            budget.take_bytes(len(chunk))
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())  # an empty script after a loss of power would run and "succeed"


def copy_file(source: Path, target: Path, budget: Budget) -> None:
    """Copy a file that was unpacked to another place of the same folder."""
    budget.take_bytes(source.stat().st_size)
    make_folder(target.parent)
    is_program = bool(source.stat().st_mode & 0o100)
    with source.open("rb") as original, _create(target, is_program) as copy:
        shutil.copyfileobj(original, copy, CHUNK)
        copy.flush()
        os.fsync(copy.fileno())


def _create(path: Path, is_program: bool) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    file = os.fdopen(os.open(path, flags, FILE_MODE), "wb")
    os.fchmod(file.fileno(), PROGRAM_MODE if is_program else FILE_MODE)
    return file
