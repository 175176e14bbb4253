"""Write files so that readers, and a machine that lost its power, find them whole or not at all."""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from manager.files.tree import FOLDER_MODE

_ABANDONED_S = 24 * 3600  # what is older in the incoming folder was left by a process that died


def make_folder(path: Path) -> Path:
    """Create a folder and its parents, open for the web server whatever the umask."""
    missing = [path, *path.parents]
    for folder in reversed([folder for folder in missing if not folder.exists()]):
        with contextlib.suppress(FileExistsError):  # another request was quicker
            folder.mkdir()
            folder.chmod(FOLDER_MODE)
    return path


@contextlib.contextmanager
def draft(incoming: Path) -> Iterator[Path]:
    """Give a path in the incoming folder; what is still there at the end is removed."""
    make_folder(incoming)
    _drop_abandoned(incoming)
    path = incoming / uuid.uuid4().hex
    try:
        yield path
    finally:
        remove(path)


def publish(path: Path, target: Path) -> None:
    """Move a finished draft to `target`, in place of what is there.

    A file is replaced at once. A folder is absent for an instant; no reader sees a mixture.
    """
    make_folder(target.parent)
    if path.is_dir() and target.exists():
        old = path.with_name(f"{path.name}.old")
        target.rename(old)
        path.rename(target)
        remove(old)
    else:
        path.replace(target)
    sync_folder(target.parent)


def sync_folder(path: Path) -> None:
    """Let the names in a folder outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(path, onerror=_unless_absent)


def _drop_abandoned(incoming: Path) -> None:
    limit = time.time() - _ABANDONED_S
    for path in incoming.iterdir():
        try:
            if path.lstat().st_ctime < limit:  # a move hither changes it, and nobody sets it
                remove(path)
        except FileNotFoundError:  # another process removed it
            continue


def _unless_absent(_function: object, _path: str, reason: Any) -> None:
    """Go on when somebody else removed a part; raise everything else again."""
    if not isinstance(reason[1], FileNotFoundError):
        raise reason[1]
