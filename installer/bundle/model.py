"""A finished bundle: a directory, the list of its files, and what of it each node gets."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from installer.bundle.lock import Lock, load_lock
from installer.errors import ConfigError, Problem

LOCK_FILE, MANIFEST_FILE, SETUP_FILE = "lock.json", "manifest.json", "setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledFile:
    """A file of a bundle, and the roles whose nodes get it: none for what only makes bundles."""

    path: str
    sha256: str
    size: int
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A directory that holds everything nodes of one Debian release install."""

    path: Path
    lock: Lock
    files: tuple[BundledFile, ...]

    def files_for(self, roles: Iterable[str]) -> list[str]:
        """Return the names, relative to `path`, of what a node with these roles needs."""
        wanted = set(roles)
        names = [file.path for file in self.files if wanted.intersection(file.roles)]
        return [*names, MANIFEST_FILE]

    def size_for(self, roles: Iterable[str]) -> int:
        """Return how many bytes a node with these roles needs."""
        names = set(self.files_for(roles))
        return sum(file.size for file in self.files if file.path in names)

    def digest_of(self, path: str) -> str:
        """Return the SHA-256 of one file of the bundle."""
        return next(file.sha256 for file in self.files if file.path == path)

    @property
    def has_packages(self) -> bool:
        """Tell whether Debian packages are in it, or only our own code."""
        return bool(self.lock.packages)


def load_bundle(path: Path) -> Bundle:
    """Read what a bundle's directory says of itself; raises ConfigError when it is none."""
    manifest = path / MANIFEST_FILE
    try:
        entries = json.loads(manifest.read_text())["files"]
        files = tuple(BundledFile(**{**e, "roles": tuple(e["roles"])}) for e in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            Problem(
                where=str(manifest),
                what=f"not the list of a bundle's files: {error!r}",
                remedy="name a directory that `cfy_manager bundle build` made",
            )
        ) from error
    return Bundle(path=path, lock=load_lock(path / LOCK_FILE), files=files)


def dump_manifest(files: Iterable[BundledFile]) -> str:
    """Return the list of files as the text of its own file."""
    return json.dumps({"files": [asdict(file) for file in files]}, indent=1) + "\n"


def dependencies_file(environment: str) -> str:
    """Return the name of the archive of an environment without the project."""
    return f"environments/{environment}.tar"


def project_file(environment: str) -> str:
    """Return the name of the archive that adds the project to an environment."""
    return f"environments/{environment}-project.tar"
