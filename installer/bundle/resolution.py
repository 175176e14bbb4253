"""Make the lock: decide which packages and wheels a bundle holds, as the sources stand now."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from installer.bundle.apt import AptRoot, debian_sources
from installer.bundle.cache import Cache
from installer.bundle.catalogue import ENVIRONMENTS, Environment, Release, further_archives
from installer.bundle.closure import base_stanzas, interpreter_packages, locked_packages
from installer.bundle.lock import Lock, LockedWheel, dump_lock, load_lock
from installer.bundle.project import requirements_of, source_folder
from installer.bundle.wheels import download, locked_wheel, resolve

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
        kind = "" if self.with_packages else "_wheels"
        return f"{self.release.codename}-{self.architecture}{kind}"


def current_lock(target: Target, cache: Cache, say: Say) -> Lock:
    """Return the lock made before for the same wishes, or make it.

    Where only some wishes are new, such as one requirement, the rest keeps its versions.
    """
    path = lock_path(target, cache)
    if path.exists():
        return load_lock(path)
    packages = _earlier(target, cache, 0) or _packages(target, cache, say)
    wheels = []
    for position, environment in enumerate(ENVIRONMENTS, start=1):
        earlier = _earlier(target, cache, position)
        found = earlier.wheels_for(environment.name) if earlier else None
        wheels.append((environment, found or _wheels(target, environment, cache, say)))
    return _keep(replace(packages, wheels=merge_wheels(wheels)), target, cache)


def make_lock(target: Target, cache: Cache, say: Say) -> Lock:
    """Choose all versions anew from their sources, and keep the lock."""
    lock = _packages(target, cache, say)
    wheels = [(e, _wheels(target, e, cache, say)) for e in ENVIRONMENTS]
    return _keep(replace(lock, wheels=merge_wheels(wheels)), target, cache)


def lock_path(target: Target, cache: Cache) -> Path:
    """Return where the lock for these wishes is kept; other wishes have another lock."""
    return cache.locks / f"{'-'.join((target.label, *_wishes(target)))}.json"


def merge_wheels(
    parts: Iterable[tuple[Environment, Iterable[LockedWheel]]],
) -> tuple[LockedWheel, ...]:
    """Return the wheels of several environments, each wheel once with all its environments."""
    merged: dict[str, LockedWheel] = {}
    for environment, wheels in parts:
        for wheel in wheels:
            before = merged[wheel.file].environments if wheel.file in merged else ()
            merged[wheel.file] = replace(wheel, environments=(*before, environment.name))
    return tuple(merged[file] for file in sorted(merged))


def _wishes(target: Target) -> list[str]:
    """Return a hash of what is wished of packages, and one for each environment."""
    python = target.release.python
    wishes = [asdict(target.release), *([python, _requirements(e)] for e in ENVIRONMENTS)]
    return [
        hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()[:12]
        for wish in wishes
    ]


def _requirements(environment: Environment) -> list[str]:
    return requirements_of(source_folder(), environment)


def _earlier(target: Target, cache: Cache, position: int) -> Lock | None:
    """Return the newest lock that answers the wish at this position."""
    parts = ["*"] * len(_wishes(target))
    parts[position] = _wishes(target)[position]
    paths = list(cache.locks.glob(f"{target.label}-{'-'.join(parts)}.json"))
    return load_lock(max(paths, key=lambda path: path.stat().st_mtime)) if paths else None


def _keep(lock: Lock, target: Target, cache: Cache) -> Lock:
    with cache.workspace() as folder:
        (folder / "lock").write_text(dump_lock(lock))
        (folder / "lock").replace(lock_path(target, cache))
    return lock


def _packages(target: Target, cache: Cache, say: Say) -> Lock:
    codename = target.release.codename
    lock = Lock(release=codename, architecture=target.architecture, packages=(), wheels=())
    if not target.with_packages:
        return lock
    say(f"Choosing Debian packages for {codename}")
    codenames = (codename, *further_archives(target.release))
    # kept: the next time apt fetches only changes
    folder = cache.root / "apt" / "-".join((target.label, *codenames[1:]))
    sources = "\n".join(map(debian_sources, codenames))
    apt = AptRoot(folder, sources, target.architecture)
    apt.prefer(codename)
    apt.update()
    base = base_stanzas(apt, target.release)
    return replace(
        lock,
        packages=locked_packages(apt, target.release, base),
        base=base,
        interpreter=interpreter_packages(apt, target.release),
    )


def _wheels(target: Target, environment: Environment, cache: Cache, say: Say) -> list[LockedWheel]:
    say(f"Choosing wheels of the environment {environment.name} for {target.release.codename}")
    pinned = resolve(_requirements(environment), target.release, target.architecture)
    with cache.workspace() as folder:
        built = download(pinned, target.release, target.architecture, folder / "wheels")
        paths = sorted((folder / "wheels").glob("*.whl"))
        wheels = [locked_wheel(path, environment.name, built.get(path.name, "")) for path in paths]
        for path in paths:
            cache.adopt(path)
    return wheels
