"""Which machine had which node's name at the last run, as the controller remembers it."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

_FILE = "machines.json"


def read_machines(folder: Path) -> dict[str, str]:
    """Return the machine id of each node at the last run; nothing before the first."""
    path = folder / _FILE
    if not path.exists():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8")))


def remember_machines(folder: Path, found: Mapping[str, str]) -> None:
    """Write the machine ids of these nodes beside those of others; whole or not at all."""
    before = read_machines(folder)
    wanted = before | {name: identity for name, identity in found.items() if identity}
    if wanted != before:
        _write(folder, wanted)


def forget_machines(folder: Path, names: Collection[str]) -> None:
    """Remember no machine for these names: another one may have them next."""
    before = read_machines(folder)
    wanted = {name: identity for name, identity in before.items() if name not in names}
    if wanted != before:
        _write(folder, wanted)


def _write(folder: Path, wanted: Mapping[str, str]) -> None:
    fresh = folder / f".{_FILE}"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(wanted, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / _FILE)
