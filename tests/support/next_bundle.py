"""A bundle of the release after this one: later packages, a later runtime, two more revisions."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from installer.bundle.cache import Cache, default_cache, file_digest
from installer.bundle.lock import LockedPackage, dump_lock, load_lock
from installer.bundle.model import LOCK_FILE
from tests.support.cluster import ROOT, run

VERSION = "99.0.0"
SUFFIX = "+test1"
_PARTS = ("installer", "manager", "templates", "pyproject.toml", "README.md", "LICENSE")
_REVISIONS = Path(__file__).parent / "migrations"


def build_next(bundle: Path, folder: Path, packages: Sequence[str]) -> Path:
    """Build and return the bundle; these packages are in it with a higher version."""
    lock, cache = load_lock(bundle / LOCK_FILE), default_cache()
    later = [
        _later(package, cache, folder) if package.name in packages else package
        for package in lock.packages
    ]
    lock_file = folder / "lock.json"
    lock_file.write_text(dump_lock(replace(lock, packages=tuple(later))))
    source = next_source(folder / "source")
    words = (sys.executable, "-m", "installer", "bundle", "build", "--lock", str(lock_file))
    done = subprocess.run(
        (*words, "--release", "trixie"), cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1])


def next_source(folder: Path) -> Path:
    """Return a copy of this checkout with a later version and the revisions that it brings."""
    for part in _PARTS:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copy(ROOT / part, folder / part)
    for revision in _REVISIONS.glob("*.py"):
        shutil.copy(revision, folder / "manager" / "storage" / "migrations" / "versions")
    project = folder / "pyproject.toml"
    lines = project.read_text().splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("version = "))
    lines[at] = f'version = "{VERSION}"'
    project.write_text("\n".join(lines) + "\n")
    return folder


def _later(package: LockedPackage, cache: Cache, folder: Path) -> LockedPackage:
    """Pack the same files as a later version, which the cache then has."""
    tree = folder / package.name
    run(("dpkg-deb", "--raw-extract", str(cache.archive(package.sha256)), str(tree)))
    control = tree / "DEBIAN" / "control"
    version = package.version + SUFFIX
    control.write_text(
        control.read_text().replace(f"Version: {package.version}\n", f"Version: {version}\n")
    )
    archive = folder / f"{package.name}.deb"
    run(("dpkg-deb", "-Znone", "--root-owner-group", "--build", str(tree), str(archive)))
    size, digest = archive.stat().st_size, file_digest(archive)
    with cache.alone():
        cache.adopt(archive)
    return replace(
        package,
        version=version,
        file=package.file.replace(package.version.partition(":")[2] or package.version, version),
        sha256=digest,
        size=size,
        control={**package.control, "Version": version},
    )
