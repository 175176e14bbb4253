"""Make the lock: decide which packages and wheels a bundle holds, as the sources stand now."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from installer.bundle.apt import AptRoot, debian_sources
from installer.bundle.cache import Cache
from installer.bundle.catalogue import ENVIRONMENTS, Release
from installer.bundle.closure import base_stanzas, locked_packages
from installer.bundle.lock import Lock, LockedPackage, LockedWheel, dump_lock, load_lock
from installer.bundle.project import requirements_of, source_folder
from installer.bundle.wheels import download, locked_wheels, resolve

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a bundle is for; without packages it holds our own code only."""

    release: Release
    architecture: str
    with_packages: bool = True

    @property
    def label(self) -> str:
        """Return a name for people and for files."""
        kind = "" if self.with_packages else "-wheels"
        return f"{self.release.codename}-{self.architecture}{kind}"


def current_lock(target: Target, cache: Cache, say: Say) -> Lock:
    """Return the lock made before for the same wishes, or make it."""
    path = lock_path(target, cache)
    return load_lock(path) if path.exists() else make_lock(target, cache, say)


def make_lock(target: Target, cache: Cache, say: Say) -> Lock:
    """Choose versions anew from the package sources, and keep the lock."""
    base, packages = _packages(target, cache, say) if target.with_packages else ((), ())
    lock = Lock(
        release=target.release.codename,
        architecture=target.architecture,
        packages=packages,
        wheels=_wheels(target, cache, say),
        base=base,
    )
    with cache.workspace() as folder:
        (folder / "lock").write_text(dump_lock(lock))
        (folder / "lock").replace(lock_path(target, cache))
    return lock


def lock_path(target: Target, cache: Cache) -> Path:
    """Return where the lock for these wishes is kept; other wishes have another lock."""
    wishes = {
        "release": asdict(target.release),
        "environments": {e.name: requirements_of(source_folder(), e) for e in ENVIRONMENTS},
    }
    digest = hashlib.sha256(json.dumps(wishes, sort_keys=True).encode()).hexdigest()
    return cache.locks / f"{target.label}-{digest[:16]}.json"


def _packages(
    target: Target, cache: Cache, say: Say
) -> tuple[tuple[dict[str, str], ...], tuple[LockedPackage, ...]]:
    say(f"Choosing Debian packages for {target.release.codename}")
    folder = cache.root / "apt" / target.label  # kept: the next time apt fetches only changes
    apt = AptRoot(folder, debian_sources(target.release.codename), target.architecture)
    apt.update()
    base = base_stanzas(apt, target.release)
    packages = locked_packages(apt, target.release, base)
    return tuple(dict(stanza) for stanza in base), packages


def _wheels(target: Target, cache: Cache, say: Say) -> tuple[LockedWheel, ...]:
    release, architecture = target.release, target.architecture
    with cache.workspace() as folder:
        members = {}
        for environment in ENVIRONMENTS:
            say(f"Choosing wheels of the environment {environment.name} for {release.codename}")
            wanted = requirements_of(source_folder(), environment)
            download(
                resolve(wanted, release, architecture),
                release,
                architecture,
                folder / environment.name,
            )
            members[environment.name] = sorted((folder / environment.name).glob("*.whl"))
        wheels = locked_wheels(members)
        for path in (path for paths in members.values() for path in paths):
            cache.adopt(path)
    return wheels
