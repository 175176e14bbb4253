"""Write values into an inventory's text; comments stay, and the former text is kept."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from installer.config.edit import with_value
from installer.errors import ConfigError
from installer.expand.check import load_cluster
from installer.inventory import Inventory, runs_folder

KeyPath = tuple[str | int, ...]


def change_inventory(inventory: Inventory, values: Mapping[KeyPath, Any]) -> Inventory:
    """Write values into the inventory's text and return it as it is then.

    The former text is kept beside the logs. Raises NotEditable when the text cannot be edited,
    and ConfigError with the file as it was when it would not be valid.
    """
    text = inventory.path.read_text(encoding="utf-8")
    for key, value in values.items():
        text = with_value(text, key, value)
    return rewrite(inventory, text)


def rewrite(inventory: Inventory, text: str) -> Inventory:
    """Replace the inventory's text and return it as it is then; the former text is kept.

    Raises ConfigError with the file as it was when it would not be valid.
    """
    before = inventory.path.read_text(encoding="utf-8")
    stamp = time.strftime("%Y%m%dT%H%M%S")
    replace_file(runs_folder(inventory) / f"{inventory.path.stem}-before-{stamp}.yaml", before)
    replace_file(inventory.path, text)
    try:
        return load_cluster(inventory.path)
    except ConfigError:
        replace_file(inventory.path, before)
        raise


def replace_file(path: Path, text: str) -> None:
    """Write a file anew, whole or not at all, with the mode it had; a new one is private."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
