"""The entries of a tar stream."""

import tarfile
from collections.abc import Iterator
from typing import IO, cast

from manager.errors import BadArchive
from manager.files.entries import CHUNK, Budget, Entry, Guard, entry_parts
from manager.files.links import link_parts

_BLOCK = tarfile.BLOCKSIZE
_MAX_HEADERS = 64 * 1024**2  # of all entries together; what is global in them stays in memory


def is_tar(head: bytes) -> bool:
    """Tell whether a file that begins so is a tar: its first header has a right checksum."""
    try:
        tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def tar_entries(file: IO[bytes], budget: Budget) -> Iterator[Entry]:
    """Yield each entry of a tar, in its order; its content is read before the next is asked for."""
    guard = Guard(file, max_read=CHUNK, max_position=budget.max_bytes + _MAX_HEADERS)
    headers, end = 0, 0
    with tarfile.TarFile(fileobj=cast(IO[bytes], guard)) as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # they would all stay in memory
            budget.take_entry()
            headers += member.offset_data - end
            end = tar.offset
            if headers > _MAX_HEADERS:
                raise BadArchive(f"The archive has more than {_MAX_HEADERS} bytes of headers")
            entry = _entry(tar, member)
            if entry.parts:
                yield entry
        _check_end(guard, tar.offset)


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    parts = entry_parts(member.name)
    if member.isdir():
        return Entry(parts=parts, is_folder=True)
    if member.issym():
        return Entry(parts=parts, link=link_parts(member.linkname, parts[:-1]))
    if member.islnk():
        return Entry(parts=parts, link=entry_parts(member.linkname))
    if not member.isreg() or member.issparse() or not parts:
        raise BadArchive(f"The archive has something that is no file: {member.name[:200]!r}")
    return Entry(
        parts=parts,
        is_program=bool(member.mode & 0o111),
        open=lambda: cast(IO[bytes], tar.extractfile(member)),
    )


def _check_end(guard: Guard, offset: int) -> None:
    """Raise BadArchive when the tar breaks off: tarfile takes a bad header for the end."""
    guard.seek(offset)
    if any(guard.read(_BLOCK)):
        raise BadArchive("The archive is broken: it has a header that is none")
