"""Bring the archives of a lock into the cache; what is there already is not fetched again."""

from installer.bundle.apt import AptRoot
from installer.bundle.cache import Cache
from installer.bundle.catalogue import ENVIRONMENTS, release_named
from installer.bundle.lock import Lock
from installer.bundle.resolution import Say
from installer.bundle.wheels import download, fetchable_again
from installer.errors import PreflightError, Problem

_BATCH = 20  # archives; what an interrupted build has fetched by then is kept


def fetch_archives(lock: Lock, cache: Cache, say: Say) -> None:
    """Fetch every archive that the cache lacks, checked against the lock's hashes."""
    _fetch_packages(lock, cache, say)
    _fetch_wheels(lock, cache, say)


def _fetch_packages(lock: Lock, cache: Cache, say: Say) -> None:
    wanted = {package.sha256: package for package in (*lock.packages, *lock.interpreter)}
    lacking = [package for package in wanted.values() if not cache.has(package.sha256)]
    if not lacking:
        return
    say(f"Fetching {len(lacking)} packages, {sum(p.size for p in lacking) / 1e6:.0f} MB")
    with cache.workspace() as folder:
        apt = AptRoot(folder / "apt", "", lock.architecture)
        for start in range(0, len(lacking), _BATCH):
            batch = lacking[start : start + _BATCH]
            apt.download((p.uri, folder / p.sha256, p.sha256) for p in batch)
            for package in batch:
                cache.adopt(folder / package.sha256)


def _fetch_wheels(lock: Lock, cache: Cache, say: Say) -> None:
    release = release_named(lock.release)
    for environment in ENVIRONMENTS:
        wheels = lock.wheels_for(environment.name)
        lacking = [wheel for wheel in wheels if not cache.has(wheel.sha256)]
        if not lacking:
            continue
        say(f"Fetching {len(lacking)} wheels of the environment {environment.name}")
        with cache.workspace() as folder:
            download(fetchable_again(lacking), release, lock.architecture, folder / "wheels")
            for path in (folder / "wheels").glob("*.whl"):
                cache.adopt(path)
        still = [wheel.file for wheel in lacking if not cache.has(wheel.sha256)]
        if still:
            raise PreflightError(
                Problem(
                    where=", ".join(still),
                    what="the package index sent other wheels than the lock names",
                    remedy="make the lock anew with `cfy_manager bundle lock`",
                )
            )
