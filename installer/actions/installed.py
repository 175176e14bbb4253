"""What this node was installed from: config.yaml as it was read, with the command line's words.

Commands that follow need neither the same files nor the same flags again.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from installer.config.check import DEFAULT_CONFIG, load_config
from installer.config.merge import merged
from installer.config.model import Document

STATE = Path("/var/lib/cfy_manager")
_RECORD = "installed.yaml"
_SERVICES = "services_to_install"


@dataclass(frozen=True, slots=True)
class Installed:
    """A valid configuration of this node, and those of its services that are here now."""

    config: Document
    services: tuple[str, ...]

    def without(self, services: Sequence[str]) -> "Installed":
        """Return what is left when these services are gone."""
        return Installed(self.config, tuple(s for s in self.services if s not in services))


def add_installed(config: Document, folder: Path = STATE) -> None:
    """Record what is about to be installed, beside the services that are here already."""
    before = read_installed(folder)
    if before is not None:
        others = [name for name in before.services if name not in config[_SERVICES]]
        config = merged(before.config, {**config, _SERVICES: [*others, *config[_SERVICES]]})
    write_installed(Installed(config, tuple(config[_SERVICES])), folder)


def write_installed(installed: Installed, folder: Path = STATE) -> None:
    """Replace the record, readable by root only; without services there is none."""
    path, fresh = folder / _RECORD, folder / f".{_RECORD}"
    if not installed.services:
        path.unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh.unlink(missing_ok=True)  # of a run that was killed
    document = {"services": list(installed.services), "config": _plain(installed.config)}
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(document, file, sort_keys=False)
    fresh.replace(path)


def read_installed(folder: Path = STATE) -> Installed | None:
    """Return the record, or None when `install` never ran here by itself."""
    path = folder / _RECORD
    if not path.exists():
        return None
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Installed(document["config"], tuple(document["services"]))


def this_node(
    paths: Sequence[Path] = (), folder: Path = STATE, *, check_files: bool = True
) -> Installed:
    """Return what is installed here: of the files if some are named, else as it was recorded.

    A node that a controller installed has its whole configuration in /etc/cloudify/config.yaml.
    """
    recorded = read_installed(folder)
    if recorded is not None and not paths:
        return recorded
    config = load_config(paths or [DEFAULT_CONFIG], {}, check_files=check_files)
    return Installed(config, tuple(config[_SERVICES]))


def _plain(value: Any) -> Any:
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value
