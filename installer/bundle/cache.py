"""What bundles are made of, kept by content outside the checkout: archives once, by SHA-256."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KEPT_BUNDLES = 4  # the last ones; what they share takes space once
_IN_USE_S = 24 * 3600  # a run may be sending one that is not among the last
_ORPHANED_S = 7 * 24 * 3600


class Cache:
    """A folder of archives, locks and finished bundles; each appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.locks = root / "locks"
        self.bundles = root / "bundles"
        self._pool = root / "pool"
        self._notes = root / "made"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait for other builds to end and keep them out meanwhile.

        What a build that was killed left behind goes away now.
        """
        for folder in (self.locks, self.bundles, self._pool, self._notes):
            folder.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            for leftover in self.root.glob(".work-*"):
                shutil.rmtree(leftover)
            yield

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Return an empty folder on the cache's own file system, gone at the end."""
        with tempfile.TemporaryDirectory(prefix=".work-", dir=self.root) as folder:
            yield Path(folder)

    def recall(self, key: str) -> str | None:
        """Return the SHA-256 of what was made from the inputs that `key` hashes, if it is here."""
        note = self._notes / key
        digest = note.read_text() if note.exists() else None
        return digest if digest is not None and self.has(digest) else None

    def remember(self, key: str, sha256: str) -> None:
        """Note that the archive was made from the inputs that `key` hashes."""
        with self.workspace() as folder:
            (folder / key).write_text(sha256)
            (folder / key).replace(self._notes / key)

    def archive(self, sha256: str) -> Path:
        """Return where the archive of this hash is, or would be."""
        return self._pool / sha256

    def has(self, sha256: str) -> bool:
        """Tell whether the archive is in the cache."""
        return self.archive(sha256).exists()

    def adopt(self, path: Path) -> str:
        """Move a file into the cache and return its SHA-256."""
        digest = file_digest(path)
        path.chmod(0o444)  # bundles share it by hard links
        path.replace(self.archive(digest))
        return digest

    def place(self, sha256: str, target: Path) -> None:
        """Let the archive appear at `target`, by a hard link."""
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(self.archive(sha256), target)

    def finish(self, folder: Path, name: str) -> Path:
        """Give a bundle that is complete its final place, and forget the oldest ones."""
        target = self.bundles / name
        folder.replace(target)
        used = {path: path.stat().st_mtime for path in self.bundles.iterdir()}
        for old in sorted(used, key=lambda path: used[path])[:-_KEPT_BUNDLES]:
            if time.time() - used[old] > _IN_USE_S:
                self._discard(old)
        self._drop_orphans()
        return target

    def _discard(self, bundle: Path) -> None:
        """Remove a bundle; while that lasts it no longer has a bundle's place."""
        with self.workspace() as folder:
            bundle.replace(folder / bundle.name)

    def _drop_orphans(self) -> None:
        """Remove archives that no bundle has had for a while; new ones may be a lock's."""
        for archive in self._pool.iterdir():
            found = archive.stat()
            if found.st_nlink == 1 and time.time() - found.st_ctime > _ORPHANED_S:
                archive.unlink()


def default_cache() -> Cache:
    """Return the cache of this user: $XDG_CACHE_HOME/cfy_manager or ~/.cache/cfy_manager."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Cache(Path(home).expanduser() / "cfy_manager")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
