"""The controller's keys: what reads the data on a fresh cluster, sealed before it leaves.

Every database node knows the password of the repository. The managers' encryption key and the CA's
own are sealed here with another, which no node ever gets: a database that is broken into does not
open the secrets that it holds.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from installer.backup.backup_set import PartTaken
from installer.backup.parts import PartRun
from installer.backup.streams import damaged
from installer.cluster_secrets import (
    FURTHER_KEYS,
    KEYS_PASSWORD,
    PREVIOUS_KEY,
    change_secrets,
    ensure_secrets,
    load_secrets,
    with_settings,
)
from installer.errors import PhaseFailed, Problem
from installer.inventory import Inventory
from installer.pki.files import PRIVATE, make_private_folder, write_atomically
from installer.pki.sealing import SealBroken, seal, unseal
from installer.secrets import Secret

_FILE = "keys.sealed"
_KEY = "encryption_key"
# the data knows these; the passwords of services are set anew in what was restored
_READS_DATA = ("hash_salt", "secret_key", "encoding_alphabet", "admin_password")
_AUTHORITY = ("ca.crt", "ca.key")
RESTORED = "from-backup"  # below the certificates' folder


class KeysPart:
    """The secrets file and the CA."""

    name = "keys"
    may_be_younger = False

    def concerns(self, inventory: Inventory) -> bool:
        """Tell that every cluster has them."""
        return True

    def take(self, run: PartRun) -> PartTaken:
        """Seal them on this machine and keep them."""
        known = with_settings(ensure_secrets(run.inventory.secrets_path), run.inventory.settings)
        folder = run.inventory.certificates_path
        document = {
            "secrets": {name: secret.reveal() for name, secret in known.items()},
            "authority": {
                name: (folder / name).read_text(encoding="ascii")
                for name in _AUTHORITY
                if (folder / name).exists()
            },
        }
        sealed = seal(json.dumps(document).encode(), known[KEYS_PASSWORD])
        run.store.put(run.backup.label, _FILE, sealed)
        facts = {"sha256": hashlib.sha256(sealed).hexdigest()}
        return PartTaken(name=self.name, size_bytes=len(sealed), facts=facts)

    def restore(self, run: PartRun, taken: PartTaken) -> None:
        """Give the secrets file the keys that read the data, and keep a CA that differs."""
        kept = self._open(run, taken)
        path = run.inventory.secrets_path
        known = load_secrets(path)
        secrets = {name: Secret(value) for name, value in kept["secrets"].items()}
        changes = changed_keys(known, secrets)
        _demand_not_given(run.inventory, changes)
        if changes:
            change_secrets(path, changes)
            run.tell(f"{path.name}: {', '.join(sorted(changes))} are those of the backup")
        self._keep_authority(run, kept["authority"])

    def verify(self, run: PartRun, taken: PartTaken) -> Iterator[Problem]:
        """Yield a problem when they do not open with the password that is here."""
        try:
            self._open(run, taken)
        except PhaseFailed as error:
            yield from error.problems

    def _open(self, run: PartRun, taken: PartTaken) -> dict[str, dict[str, str]]:
        sealed = run.store.get(run.backup.label, _FILE)
        found = hashlib.sha256(sealed).hexdigest()
        if found != taken.facts.get("sha256", found):  # a backup of a former release has none
            raise PhaseFailed(damaged(f"{run.backup.label}/{_FILE}", found))
        known = load_secrets(run.inventory.secrets_path)
        try:
            password = known[KEYS_PASSWORD]
            return dict(json.loads(unseal(sealed, password)))
        except (KeyError, SealBroken) as error:
            what = "does not open them" if isinstance(error, SealBroken) else "is not there"
            raise PhaseFailed(
                Problem(
                    where=f"{run.backup.label}/{_FILE}",
                    what=f"the keys of the backup are sealed, and `{KEYS_PASSWORD}` {what}",
                    remedy="write the value that the cluster had when it was backed up into the "
                    "secrets file; without it nobody reads what its managers had sealed",
                    file=str(run.inventory.secrets_path),
                    code="backup-keys-sealed",
                )
            ) from error

    def _keep_authority(self, run: PartRun, authority: Mapping[str, str]) -> None:
        here = run.inventory.certificates_path
        if not authority or _text(here / "ca.crt") == authority.get("ca.crt"):
            return
        folder = here / RESTORED
        make_private_folder(folder)
        for name, text in authority.items():
            write_atomically(folder / name, text.encode(), PRIVATE)
        run.tell(f"agents trust the CA of the backup: it is in {folder}")


def changed_keys(
    known: Mapping[str, Secret], kept: Mapping[str, Secret]
) -> dict[str, Secret | None]:
    """Return what to change in the secrets file so that managers read the restored data.

    The key of today stays beside the one of the backup: what it sealed is opened too.
    """
    changes: dict[str, Secret | None] = {
        name: kept[name] for name in _READS_DATA if name in kept and kept[name] != known.get(name)
    }
    if _KEY in kept and kept[_KEY] != known.get(_KEY):
        changes |= {name: kept.get(name) for name in (_KEY, *FURTHER_KEYS)}
        changes[PREVIOUS_KEY] = kept.get(PREVIOUS_KEY) or known.get(_KEY)
    return changes


def _demand_not_given(inventory: Inventory, changes: Mapping[str, Secret | None]) -> None:
    """Raise PhaseFailed when the inventory's settings themselves give another key."""
    given = with_settings({}, inventory.settings)
    if wrong := sorted(changes.keys() & given.keys()):
        raise PhaseFailed(
            Problem(
                where="settings.flask_security",
                what=f"{', '.join(wrong)} stand there, and the backup has others",
                remedy="take them out of the inventory: the secrets file gets those of the backup",
                file=str(inventory.path),
                code="backup-keys-given",
            )
        )


def _text(path: Path) -> str | None:
    return path.read_text(encoding="ascii") if path.exists() else None
