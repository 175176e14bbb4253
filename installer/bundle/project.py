"""The project itself: its requirements, the hash of its source, its wheel."""

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

from installer.bundle.catalogue import Environment
from installer.errors import PreflightError, Problem

_PARTS = ("installer", "manager", "templates", "pyproject.toml", "README.md", "LICENSE")


def source_folder() -> Path:
    """Return the checkout that this code runs from; raises PreflightError without one."""
    folder = Path(__file__).parents[2]
    if not (folder / "pyproject.toml").is_file():
        raise PreflightError(
            Problem(
                where=str(folder),
                what="bundles are built from a checkout of the project, and this is none",
                remedy="run the command in a checkout, or carry a finished bundle here",
            )
        )
    return folder


def source_digest(folder: Path) -> str:
    """Return a hash of everything that goes into the project's wheel, and of this code."""
    digest = hashlib.sha256()
    for path in _source_files(folder):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def requirements_of(folder: Path, environment: Environment) -> list[str]:
    """Return what an environment needs: the base dependencies, or those of its extra."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    if environment.extra is None:
        found: list[str] = project["dependencies"]
    else:
        found = project["optional-dependencies"][environment.extra]
    return found


def build_wheel(folder: Path, target: Path) -> Path:
    """Build the project's wheel into an empty folder; the same source gives the same bytes."""
    # hatchling comes with the extra `bundle`, so that a build needs no network
    words = ("-m", "hatchling", "build", "-t", "wheel", "-d", str(target))
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PreflightError(
            Problem(
                where=str(folder),
                what="the project's wheel cannot be built:\n" + done.stderr.strip()[-1000:],
                remedy="install what builds bundles: pip install --editable '.[bundle]'",
            )
        )
    (wheel,) = target.glob("*.whl")
    return wheel


def _source_files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for part in _PARTS:
        path = folder / part
        found += path.rglob("*") if path.is_dir() else [path]
    return sorted(p for p in found if p.is_file() and p.suffix != ".pyc")
