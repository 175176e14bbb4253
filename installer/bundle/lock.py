"""The lock file: every archive of a bundle by name, version, place of origin and SHA-256."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from installer.errors import ConfigError, Problem

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A Debian package; `control` is what apt must know of it, without prose."""

    name: str
    version: str
    architecture: str
    file: str
    uri: str
    sha256: str
    size: int
    roles: tuple[str, ...]
    control: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedWheel:
    """A wheel of the package index, and the environments it belongs to."""

    name: str
    version: str
    file: str
    sha256: str
    size: int
    environments: tuple[str, ...]
    source_sha256: str = ""  # of the source that it is built from; the index has no wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All archives for one release; `base` is the smallest host that they were chosen for."""

    release: str
    architecture: str
    packages: tuple[LockedPackage, ...]
    wheels: tuple[LockedWheel, ...]
    base: tuple[Mapping[str, str], ...] = ()
    interpreter: tuple[LockedPackage, ...] = ()  # the release's Python, for the builder only

    def packages_for(self, role: str) -> tuple[LockedPackage, ...]:
        """Return the packages that a node of this role may need."""
        return tuple(package for package in self.packages if role in package.roles)

    def wheels_for(self, environment: str) -> tuple[LockedWheel, ...]:
        """Return the wheels of one environment."""
        return tuple(wheel for wheel in self.wheels if environment in wheel.environments)

    def digest(self) -> str:
        """Return a hash of everything the lock says."""
        return hashlib.sha256(dump_lock(self).encode()).hexdigest()


def dump_lock(lock: Lock) -> str:
    """Return the lock as the text of its file."""
    return json.dumps({"format": FORMAT, **asdict(lock)}, indent=1, sort_keys=True) + "\n"


def load_lock(path: Path) -> Lock:
    """Read a lock file; raises ConfigError when it is not one of this format."""
    try:
        document = json.loads(path.read_text())
        found = document.pop("format")
        if found != FORMAT:
            raise ConfigError(_problem(path, f"format {found}, this version reads {FORMAT}"))
        return _lock(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(_problem(path, f"not a lock file: {error!r}")) from error


def _lock(document: dict[str, Any]) -> Lock:
    wheels = [
        LockedWheel(**{**w, "environments": tuple(w["environments"])}) for w in document["wheels"]
    ]
    return Lock(
        release=document["release"],
        architecture=document["architecture"],
        packages=_locked_packages(document["packages"]),
        wheels=tuple(wheels),
        base=tuple(document["base"]),
        interpreter=_locked_packages(document.get("interpreter", ())),
    )


def _locked_packages(entries: Iterable[Mapping[str, Any]]) -> tuple[LockedPackage, ...]:
    return tuple(LockedPackage(**{**entry, "roles": tuple(entry["roles"])}) for entry in entries)


def _problem(path: Path, what: str) -> Problem:
    return Problem(where=str(path), what=what, remedy="make it anew with `cfy_manager bundle lock`")
