"""What this node was installed from: config.yaml as it was read, with the command line's words.

Commands that follow need neither the same files nor the same flags again.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from installer.config.check import DEFAULT_CONFIG, load_config
from installer.config.model import Document

STATE = Path("/var/lib/cfy_manager")
_RECORD = "installed.yaml"


def record_config(config: Document, folder: Path = STATE) -> None:
    """Write the record, readable by root only; it is whole or the one before."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = folder / f".{_RECORD}"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(dict(config), file, sort_keys=False)
    fresh.replace(folder / _RECORD)


def forget_config(folder: Path = STATE) -> None:
    """Delete the record: nothing is installed any more."""
    (folder / _RECORD).unlink(missing_ok=True)


def recorded_config(folder: Path = STATE, *, check_files: bool = True) -> dict[str, Any] | None:
    """Return what was installed last, or None when `install` never ran here."""
    path = folder / _RECORD
    return load_config([path], {}, check_files=check_files) if path.exists() else None


def this_config(
    paths: Sequence[Path] = (), folder: Path = STATE, *, check_files: bool = True
) -> dict[str, Any]:
    """Return this node's configuration: of the files if some are named, else what was installed.

    A node that a controller installed has its whole configuration in /etc/cloudify/config.yaml.
    """
    recorded = None if paths else recorded_config(folder, check_files=check_files)
    if recorded is not None:
        return recorded
    return load_config(paths or [DEFAULT_CONFIG], {}, check_files=check_files)
