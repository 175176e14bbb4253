"""Unpack a stranger's archive: nothing leaves the folder, nothing grows beyond bounds."""

import bz2
import errno
import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from manager.errors import BadArchive
from manager.files.entries import Budget, Entry, Limits, write_entry
from manager.files.links import copy_links
from manager.files.tar_entries import is_tar, tar_entries
from manager.files.tree import INCOMING
from manager.files.write import draft, make_folder, publish
from manager.files.zip_entries import zip_entries

_COMPANIONS = ("__MACOSX",)  # what some packers put beside
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # zipfile: a way of compression that it does not know
    RuntimeError,  # zipfile: encrypted
    UnicodeError,
    ValueError,
    OverflowError,
)
# What the file system says of names that cannot be, or not beside each other.
_BAD_NAMES = (
    None,  # gzip and bz2 say so of invalid data
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


@dataclass(frozen=True, slots=True)
class _Format:
    name: str
    open: Callable[[Path], IO[bytes]]
    entries: Callable[[IO[bytes], Budget], Iterator[Entry]] = tar_entries


_ZIP = _Format("zip", lambda path: path.open("rb"), zip_entries)
_TAR = _Format("tar", lambda path: path.open("rb"))
_TAR_GZ = _Format("tar.gz", lambda path: cast(IO[bytes], gzip.GzipFile(path)))
_TAR_BZ2 = _Format("tar.bz2", lambda path: bz2.BZ2File(path))


def archive_format(path: Path) -> str:
    """Return zip, tar, tar.gz or tar.bz2 by the content; raises BadArchive for anything else."""
    return _format(path).name


def unpack(
    archive: Path, target: Path, *, incoming: Path | None = None, limits: Limits | None = None
) -> Path:
    """Put what is in the archive's one folder in place of `target`, and return `target`.

    It is unpacked in `incoming` first, a folder of the same file system. Raises BadArchive, with
    `target` as it was, for an archive that is broken, leads out of its folder, is larger than the
    limits, or has no single folder on top.
    """
    with draft(incoming or make_folder(target.parent) / INCOMING) as folder:
        extract(archive, folder, limits=limits)
        top = [path for path in folder.iterdir() if path.name not in _COMPANIONS]
        if len(top) != 1 or not top[0].is_dir():
            raise BadArchive("The archive must contain one folder with everything in it")
        publish(top[0], target)
    return target


def extract(archive: Path, folder: Path, *, limits: Limits | None = None) -> None:
    """Put all that is in the archive into `folder`, a new one; raises BadArchive."""
    kind = _format(archive)
    budget = Budget(limits or Limits(), archive.stat().st_size)
    make_folder(folder)
    links: list[Entry] = []
    try:
        with kind.open(archive) as file:
            for entry in kind.entries(file, budget):
                if entry.link is None:
                    write_entry(entry, folder, budget)
                else:
                    links.append(entry)
        copy_links(links, folder, budget)
    except _BROKEN as error:
        raise BadArchive(f"The archive is broken: {error}") from error
    except OSError as error:
        if error.errno in _BAD_NAMES:
            raise BadArchive(f"The archive is broken: {error.strerror}") from error
        raise


def _format(path: Path) -> _Format:
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if is_tar(head):
        return _TAR
    raise BadArchive(
        "Blueprint archive is of an unrecognized format. "
        "Supported formats are: ('zip', 'tar', 'tar.gz', 'tar.bz2')"
    )


_MAGIC = {b"PK\x03\x04": _ZIP, b"PK\x05\x06": _ZIP, b"\x1f\x8b": _TAR_GZ, b"BZh": _TAR_BZ2}
