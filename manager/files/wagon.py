"""Read the metadata of a wagon: a plugin's wheels in an archive with a package.json."""

import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from manager.errors import BadArchive

_METADATA = "package.json"
_MAX_METADATA = 1024 * 1024
_MAX_MEMBERS = 10_000
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wagon:
    """What a wagon says of itself."""

    package_name: str
    package_version: str | None
    package_source: str | None
    supported_platform: str | None
    supported_py_versions: list[Any] | None
    distribution: str | None
    distribution_version: str | None
    distribution_release: str | None
    wheels: list[Any] | None
    excluded_wheels: list[Any] | None


def read_wagon(path: Path) -> Wagon:
    """Return what a wagon says of itself; raises BadArchive for anything else."""
    try:
        with _metadata(path) as file:
            document = json.loads(file.read(_MAX_METADATA))
    except _BROKEN as error:
        raise BadArchive(f"{path.name} is not a wagon: {error}") from error
    if not isinstance(document, dict) or not _text(document, "package_name"):
        raise BadArchive(f"{path.name} is not a wagon: its {_METADATA} names no package")
    built_on = document.get("build_server_os_properties")
    system = built_on if isinstance(built_on, dict) else {}
    return Wagon(
        package_name=str(document["package_name"]),
        package_version=_text(document, "package_version"),
        package_source=_text(document, "package_source"),
        supported_platform=_text(document, "supported_platform"),
        supported_py_versions=_list(document, "supported_python_versions"),
        distribution=_text(system, "distribution"),
        distribution_version=_text(system, "distribution_version"),
        distribution_release=_text(system, "distribution_release"),
        wheels=_list(document, "wheels"),
        excluded_wheels=_list(document, "excluded_wheels"),
    )


@contextmanager
def _metadata(path: Path) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = (name for name in archive.namelist() if _is_metadata(name))
            with archive.open(_found(next(names, None))) as file:
                yield file
        return
    with tarfile.open(path, "r|*") as archive:  # a stream: a large wagon is not kept in memory
        for number, member in enumerate(archive):
            if number > _MAX_MEMBERS:
                break
            if member.isfile() and _is_metadata(member.name):
                yield _found(archive.extractfile(member))
                return
        raise ValueError(f"it has no {_METADATA}")


def _is_metadata(name: str) -> bool:
    folder, _, file = name.removeprefix("./").rpartition("/")
    return file == _METADATA and bool(folder) and "/" not in folder


def _found(what: Any) -> Any:
    if what is None:
        raise ValueError(f"it has no {_METADATA}")
    return what


def _text(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def _list(document: dict[str, Any], name: str) -> list[Any] | None:
    value = document.get(name)
    return value if isinstance(value, list) and value else None
