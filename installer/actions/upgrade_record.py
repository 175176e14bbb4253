"""What the controller knows of an upgrade under way: from which bundle to which, and how far."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from installer.actions.inventory_file import replace_file

_FILE = "upgrade.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeRecord:
    """An upgrade that has begun; `is_finished` once every node is as the new bundle says."""

    before: str  # the bundle of the cluster until then
    bundle: str
    canary: str
    proven: bool = False  # the canary passed its tests
    is_contracted: bool = False  # managers of the release before can no longer work
    is_finished: bool = False
    is_back: bool = False  # it was taken back; nodes that were away may keep its mark

    @property
    def is_under_way(self) -> bool:
        """Tell whether another run must go on with it, or back."""
        return not (self.is_finished or self.is_back)


class Memory:
    """The record of the upgrade under way, kept on disk at every change."""

    def __init__(self, folder: Path, record: UpgradeRecord) -> None:
        self._folder = folder
        self.record = record
        self._write()

    def note(self, **changes: bool) -> None:
        """Change what is known of how far it is."""
        self.record = replace(self.record, **changes)  # type: ignore[arg-type] # its flags
        self._write()

    def forget(self) -> None:
        """Let there be no upgrade under way: nothing of it was begun."""
        forget_upgrade(self._folder)

    def _write(self) -> None:
        replace_file(self._folder / _FILE, json.dumps(asdict(self.record), indent=1) + "\n")


def load_record(folder: Path) -> UpgradeRecord | None:
    """Return the last upgrade that was begun from here."""
    path = folder / _FILE
    return UpgradeRecord(**json.loads(path.read_text())) if path.exists() else None


def forget_upgrade(folder: Path) -> None:
    """Let there be no upgrade under way: what it began was taken back."""
    (folder / _FILE).unlink(missing_ok=True)
