"""Read an old file, write the new one and its secrets, and never write over anything."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from installer.config.load import load_documents
from installer.config.merge import merged
from installer.config.source import Loaded
from installer.errors import ConfigError, Problem
from installer.legacy.cluster_file import convert_cluster, is_cluster_file
from installer.legacy.config_file import Converted, convert_config
from installer.legacy.remarks import Remark

_NO_NAME = re.compile(r"[^a-z0-9-]+")
_SECRETS_HEAD = "# Secrets, for you alone: keep the mode of this file 0600.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What was written where, and what was said of the old file."""

    old: Loaded
    path: Path
    secrets_path: Path | None  # None: the old file had none
    is_cluster: bool
    remarks: tuple[Remark, ...]


def import_files(old_paths: Sequence[Path], new_path: Path) -> Imported:
    """Write the new form of old files, merged left to right, as config.yaml or inventory.

    A file that exists is kept: NAME.new is written then. Raises ConfigError when an old file
    cannot be read, or does not tell what it describes.
    """
    loaded = load_documents(old_paths)
    if loaded.problems:
        raise ConfigError(*loaded.problems)
    is_cluster = is_cluster_file(loaded.document)
    path = _free(new_path)
    secrets_path = _free(new_path.with_name(f"{new_path.stem}.secrets.yaml"))
    converted = _converted(loaded, is_cluster=is_cluster, name=_cluster_name(new_path))
    document = converted.document
    if is_cluster:
        document = merged(document, {"secrets": secrets_path.name})
    if converted.secrets:
        _write(secrets_path, _SECRETS_HEAD + _yaml(converted.secrets), mode=0o600)
    _write(path, "".join(_head(old_paths, converted)) + _yaml(document), mode=0o644)
    return Imported(
        old=loaded,
        path=path,
        secrets_path=secrets_path if converted.secrets else None,
        is_cluster=is_cluster,
        remarks=converted.remarks,
    )


def _converted(loaded: Loaded, *, is_cluster: bool, name: str) -> Converted:
    if not is_cluster:
        return convert_config(loaded.document)
    vms = loaded.document["existing_vms"]
    if not isinstance(vms, Mapping) or not all(isinstance(vm, Mapping) for vm in vms.values()):
        what, remedy = "the machines are not listed by name", "write NAME: and its keys below"
        raise ConfigError(Problem(where="existing_vms", what=what, remedy=remedy))
    return convert_cluster(loaded.document, name)


def _cluster_name(path: Path) -> str:
    return _NO_NAME.sub("-", path.stem.lower()).strip("-")[:40] or "cluster"


def _free(path: Path) -> Path:
    """Return the path, or the first of NAME.new, NAME.new2 … that nobody has."""
    taken = 0
    free = path
    while free.exists():
        taken += 1
        free = path.with_name(f"{path.name}.new{taken if taken > 1 else ''}")
    return free


def _head(old_paths: Sequence[Path], converted: Converted) -> Iterator[str]:
    names = ", ".join(path.name for path in old_paths)
    yield f"# Made by `cfy_manager import` from {names}. What is not here has its default.\n"
    if any(not remark.kept for remark in converted.remarks):
        yield "# The import told what it left out, and why; it can be run again.\n"
    yield "\n"


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100)


def _write(path: Path, text: str, *, mode: int) -> None:
    """Write a file that must not exist yet, with its final mode from the beginning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
