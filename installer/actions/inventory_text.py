"""Write the operator's inventory: whole or not at all, and only what is valid."""

import os
import time
from pathlib import Path

from installer.actions.cluster import runs_folder
from installer.errors import ConfigError
from installer.expand.check import load_cluster
from installer.inventory import Inventory


def rewrite(inventory: Inventory, text: str) -> Inventory:
    """Replace the inventory's text and return it as it is then; the former one is kept beside logs.

    Raises ConfigError, with the former text back in its place, when the new one is not valid.
    """
    before = inventory.path.read_text(encoding="utf-8")
    stamp = time.strftime("%Y%m%dT%H%M%S")
    replace_text(runs_folder(inventory) / f"{inventory.path.stem}-before-{stamp}.yaml", before)
    replace_text(inventory.path, text)
    try:
        return load_cluster(inventory.path)
    except ConfigError:
        replace_text(inventory.path, before)
        raise


def replace_text(path: Path, text: str) -> None:
    """Write a file that is whole at every moment; a new one is readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
