"""Change the text of an inventory: the former one is kept, and a bad one never stays."""

import os
import time
from pathlib import Path

from installer.actions.cluster import runs_folder
from installer.errors import ConfigError
from installer.expand.check import load_cluster
from installer.inventory import Inventory


def rewrite_inventory(inventory: Inventory, text: str) -> Inventory:
    """Give the inventory another text and return it as it is then; the former is kept by the logs.

    Raises ConfigError, with the former text in its place again, when the new one is invalid.
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
    """Write a file of the controller so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
