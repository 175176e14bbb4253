"""The wheels of an environment: choose versions for the release's Python, fetch them."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from email.parser import Parser
from pathlib import Path

from installer.bundle.cache import file_digest
from installer.bundle.catalogue import ARCHITECTURES, Release, normalise
from installer.bundle.lock import LockedWheel
from installer.bundle.sources import FROM_SOURCE, build_wheels, split_pinned
from installer.errors import PreflightError, Problem

# Debian 12 has glibc 2.36: it runs what was built for any of these (PEP 600 and its forerunners)
_PLATFORMS = (
    *("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17"),
    *("manylinux2014", "manylinux_2_12", "manylinux2010", "manylinux_2_5", "manylinux1"),
)


def resolve(requirements: Iterable[str], release: Release, architecture: str) -> str:
    """Return pinned requirements with hashes, chosen for the release's Python.

    uv, unlike pip, judges the markers of requirements by the target's Python.
    """
    words = (
        *("--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:"),
        *(word for name in FROM_SOURCE for word in ("--no-binary", name)),
        *target_words(release, architecture),
    )
    return run_uv(["compile", "-", *words], "\n".join(requirements) + "\n")


def target_words(release: Release, architecture: str) -> tuple[str, ...]:
    """Return the options by which uv decides for the nodes rather than for this machine."""
    platform = f"{ARCHITECTURES[architecture]}-manylinux_2_28"
    return ("--python-version", release.python, "--python-platform", platform)


def download(pinned: str, release: Release, architecture: str, folder: Path) -> dict[str, str]:
    """Fetch the wheels of pinned requirements into a folder; pip checks their hashes.

    Those that the index has as sources are built. Returns the SHA-256 of their sources, by file.
    """
    folder.mkdir(exist_ok=True)
    as_wheels, as_sources = split_pinned(pinned)
    if as_wheels:
        _download_wheels(as_wheels, release, architecture, folder)
    return build_wheels(as_sources, folder) if as_sources else {}


def _download_wheels(pinned: str, release: Release, architecture: str, folder: Path) -> None:
    requirements = folder.with_suffix(".txt")
    requirements.write_text(pinned)
    digits = release.python.replace(".", "")
    words = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(folder)]
    words += ["--implementation", "cp", "--python-version", release.python, "--abi", f"cp{digits}"]
    for name in _PLATFORMS:
        words += ["--platform", f"{name}_{ARCHITECTURES[architecture]}"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *words, "-r", str(requirements)]
    _run(command, "pip download")


def pinned_again(wheels: Iterable[LockedWheel]) -> str:
    """Return locked wheels as requirements with the one hash that each must have."""
    return "".join(f"{w.name}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels)


def fetchable_again(wheels: Iterable[LockedWheel]) -> str:
    """Return locked wheels as requirements with the hash of what the index has: some are built."""
    return "".join(
        f"{w.name}=={w.version} --hash=sha256:{w.source_sha256 or w.sha256}\n" for w in wheels
    )


def locked_wheel(path: Path, environment: str, source_sha256: str = "") -> LockedWheel:
    """Return a fetched wheel as a lock has it."""
    name, version = wheel_identity(path)
    return LockedWheel(
        name=name,
        version=version,
        file=path.name,
        sha256=file_digest(path),
        size=path.stat().st_size,
        environments=(environment,),
        source_sha256=source_sha256,
    )


def wheel_identity(path: Path) -> tuple[str, str]:
    """Return the name, normalised, and the version that a wheel's metadata tell."""
    with zipfile.ZipFile(path) as wheel:
        (name,) = (n for n in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        metadata = Parser().parsestr(wheel.read(name).decode())
    return normalise(metadata["Name"]), metadata["Version"]


def run_uv(words: Sequence[str], text: str = "") -> str:
    """Run `uv pip` with text on its standard input and return its output."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if uv is None:
        raise _lacking("uv")
    return _run([uv, "pip", *words, "--quiet", "--no-config", "--no-cache"], "uv pip", text)


def _run(command: Sequence[str], where: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if "No module named pip" in done.stderr:
        raise _lacking("pip")
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-6:])
        raise PreflightError(
            Problem(
                where=where,
                what=last or f"ended with code {done.returncode}",
                remedy="see that this machine reaches its package index; what was fetched is kept",
            )
        )
    return done.stdout


def _lacking(tool: str) -> PreflightError:
    return PreflightError(
        Problem(
            where=sys.executable,
            what=f"{tool} is not in this environment",
            remedy="install what builds bundles: pip install --editable '.[bundle]'",
        )
    )
