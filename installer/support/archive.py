"""An archive for its owner only, of texts that have lost their secrets."""

import io
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from installer.lock import make_owned, orphans

SUFFIX = ".tar.gz"
_PART = ".cfy_manager-part"  # of an archive that is not whole yet


class Archive:
    """A new archive; everything in it lies below a folder of its name, and went through `mask`."""

    def __init__(self, archive: tarfile.TarFile, folder: str, mask: Callable[[bytes], bytes]):
        self._archive = archive
        self._folder = folder
        self._mask = mask
        self.names: list[str] = []

    def add(self, name: str, text: bytes | str) -> None:
        """Put a text in, without its secrets."""
        content = self._mask(text.encode() if isinstance(text, str) else text)
        member = tarfile.TarInfo(f"{self._folder}/{name}")
        member.size, member.mode, member.mtime = len(content), 0o600, int(time.time())
        self._archive.addfile(member, io.BytesIO(content))
        self.names.append(name)


@contextmanager
def new_archive(target: Path, mask: Callable[[bytes], bytes]) -> Iterator[Archive]:
    """Yield a new archive for its owner only; it has its name once it is whole.

    What a killed one left beside it is taken away.
    """
    for left in orphans(target.parent.glob(f".*{_PART}")):
        left.unlink()
    part = target.with_name(f".{target.name}{_PART}")
    descriptor = make_owned(part)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                yield Archive(archive, target.name.removesuffix(SUFFIX), mask)
            _name(part, target)
    except BaseException:
        part.unlink()
        raise


def _name(part: Path, target: Path) -> None:
    """Give a whole archive its name; raises FileExistsError rather than replace another's file."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    part.replace(target)
