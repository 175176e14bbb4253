"""What a renewal that is under way has begun: on the controller's disk until every port is proved.

A run that was killed anywhere is gone on with: what it has issued is brought to its end, the rest
is issued.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from installer.pki.files import PRIVATE, make_private_folder, write_atomically

_FILE = "renewal.json"
_MOST_AGE = timedelta(days=1)  # of a run that is gone on with; an older one says nothing of today


@dataclass(frozen=True, slots=True)
class RenewalRecord:
    """The folder of a cluster's runs, with the certificates that are to go."""

    folder: Path

    def old(self) -> dict[str, str]:
        """Return the fingerprint that each certificate had before the run that did not end."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        record = json.loads(text)
        if datetime.now(UTC) - datetime.fromisoformat(record["began"]) > _MOST_AGE:
            return {}
        return dict(record["old"])

    def keep(self, old: Mapping[str, str]) -> None:
        """Write which certificates are to go, before the first of them does."""
        record = {"began": datetime.now(UTC).isoformat(), "old": dict(old)}
        make_private_folder(self.folder)
        write_atomically(self._path, json.dumps(record, indent=1).encode(), PRIVATE)

    def put_back(self, old: Mapping[str, str]) -> None:
        """Leave the record as it was before a run that was refused."""
        if old:
            self.keep(old)
        else:
            self.forget()

    def forget(self) -> None:
        """Take the record away: every port shows its new certificate."""
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self.folder / _FILE
