"""Answer a folder of the tree: its files with their times, or all of them as one archive."""

import os
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from flask import Response, jsonify

from manager.files.tree import FileTree
from manager.files.write import make_folder
from manager.rest.context import services

_CHUNK = 256 * 1024


def send_listing(folder: Path) -> Response:
    """Answer the files below a folder, by their paths, with the times of their last change."""
    found = {}
    for path in sorted(_files(folder)):
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        found[path.relative_to(folder).as_posix()] = modified.isoformat()
    return jsonify(found)


def send_archive(folder: Path) -> Response:
    """Answer a tar.gz of a folder, made on disk: it may be large."""
    file = _nameless_file()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for path in sorted(_files(folder)):
            archive.add(path, arcname=path.relative_to(folder).as_posix(), recursive=False)
    size = file.tell()
    file.seek(0)
    response = Response(_chunks(file), content_type="application/gzip")
    response.content_length = size
    response.call_on_close(file.close)
    return response


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _nameless_file() -> BinaryIO:
    """Return a new file on the tree's disk that is gone when it is closed."""
    incoming = make_folder(FileTree(services().settings.paths.resources).incoming)
    return os.fdopen(os.open(incoming, os.O_TMPFILE | os.O_RDWR, 0o600), "w+b")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
