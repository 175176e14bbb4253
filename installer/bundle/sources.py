"""Wheels of the few packages that the index has as sources only: pure Python, built here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from installer.bundle.cache import file_digest
from installer.bundle.catalogue import normalise
from installer.errors import PreflightError, Problem

FROM_SOURCE = ("cloudify-common", "proxy-tools", "wagon")
# The same source gives the same wheel: by the same tool, with one date in it
_BACKEND = "setuptools==80.9.0\nwheel==0.45.1\n"
_DATE = "315532800"  # 1980-01-01, the earliest that zip archives know
_BUILD_S = 600


def split_pinned(pinned: str) -> tuple[str, str]:
    """Return pinned requirements that come as wheels, and those that come as sources."""
    parts: dict[bool, str] = {False: "", True: ""}
    for requirement in _requirements(pinned):
        name = normalise(requirement.partition("==")[0].strip())
        parts[name in FROM_SOURCE] += requirement
    return parts[False], parts[True]


def _requirements(pinned: str) -> Iterator[str]:
    """Yield each requirement with its hashes, on as many lines as it has."""
    lines = ""
    for line in pinned.splitlines(keepends=True):
        lines += line
        if not line.rstrip().endswith("\\"):
            if lines.strip():
                yield lines
            lines = ""


def build_wheels(pinned: str, folder: Path) -> dict[str, str]:
    """Build wheels of pinned sources into a folder.

    Returns the SHA-256 of the source of each wheel, by the wheel's file name.
    """
    sources = folder.with_suffix(".sources")
    requirements = folder.with_suffix(".sources.txt")
    constraints = folder.with_suffix(".constraints.txt")
    requirements.write_text(pinned)
    constraints.write_text(_BACKEND)
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": _DATE,
        "PIP_BUILD_CONSTRAINT": str(constraints),
    }
    words = ["--no-deps", "--require-hashes", "--no-binary", ":all:", "--dest", str(sources)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *words, "-r", str(requirements)]
    _run(command, environment)
    built = {}
    for source in sorted(sources.iterdir()):
        before = set(folder.glob("*.whl"))
        words = ["--wheel", "--quiet", "--no-config", "--build-constraints", str(constraints)]
        _run([_uv(), "build", *words, "--out-dir", str(folder), str(source)], environment)
        (wheel,) = set(folder.glob("*.whl")) - before
        built[wheel.name] = file_digest(source)
    return built


def _uv() -> str:
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    return shutil.which("uv", path=path) or "uv"


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_BUILD_S, check=False
    )
    if done.returncode != 0:
        raise PreflightError(
            Problem(
                where=" ".join(Path(word).name for word in command[:4]),
                what="\n".join(done.stderr.strip().splitlines()[-6:]),
                remedy="see that this machine reaches its package index; what was fetched is kept",
            )
        )
