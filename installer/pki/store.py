"""A cluster's certificates on the operator's disk: what lacks is issued, the rest is kept."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from installer.errors import ConfigError, Problem
from installer.lock import hold_lock
from installer.pki.authority import KeyPair, KeyType, create_authority, issue_leaf
from installer.pki.files import PRIVATE, PUBLIC, make_private_folder, write_atomically
from installer.pki.listing import facts_or_none
from installer.pki.renewal import reissue_reason
from installer.pki.request import LeafRequest
from installer.pki.requirements import CertificateRequest, leaf_request, request_problems
from installer.pki.verify import authority_problems

_CA_NAME = 48  # with the word and the random part within X.509's 64


@dataclass(frozen=True, slots=True)
class Change:
    """A file of the store that was, or would be, written anew, and why."""

    path: str  # relative to the store
    reason: str


class CertificateStore:
    """The folder of one cluster: ca.crt, ca.key, and nodes/NODE/ with what goes to that node.

    A node's folder holds node.crt, node.key, and client-USER.crt, client-USER.key.
    Folders are 0700 and keys 0600; the CA's key never leaves its folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        key_type: KeyType = KeyType.EC_P256,
        days: int = 365,
        renew_days: int = 30,
    ) -> None:
        self.folder = folder
        self._key_type = key_type
        self._days = days
        self._renew_days = renew_days

    def ca_certificate(self) -> bytes:
        """Return the CA's certificate (PEM)."""
        return self._read("ca.crt")

    def pair(self, node: str, name: str = "node") -> KeyPair:
        """Return a certificate of a node and its key; `name` is node or client-USER."""
        return self._pair(f"nodes/{node}/{name}")

    def by_node(self, requests: Iterable[CertificateRequest]) -> dict[str, dict[str, bytes]]:
        """Return what each node holds: ca.crt and the requested NAME.crt and NAME.key."""
        files: dict[str, dict[str, bytes]] = {}
        for request in requests:
            held = files.setdefault(request.node, {"ca.crt": self.ca_certificate()})
            pair = self.pair(request.node, request.name)
            held[f"{request.name}.crt"], held[f"{request.name}.key"] = pair.certificate, pair.key
        return files

    def pending(self, requests: Iterable[CertificateRequest]) -> tuple[Change, ...]:
        """Return what `ensure` would issue, and why; nothing is written."""
        due = self._due(self._leaves(requests))
        first = (Change("ca.crt", "missing"),) if self._lacks_authority() else ()
        return (*first, *(Change(f"{stem}.crt", reason) for stem, reason in due.items()))

    def ensure(self, requests: Iterable[CertificateRequest]) -> tuple[Change, ...]:
        """Issue what lacks, was changed or expires soon; return what was issued, and why.

        Raises ConfigError when the CA cannot issue: its key is elsewhere, or it has expired.
        """
        requests = tuple(requests)
        leaves = self._leaves(requests)
        make_private_folder(self.folder)
        with hold_lock(self.folder / ".lock", "certificates"):
            changes = self.pending(requests)
            if self._lacks_authority():
                self._make_authority()
            self._issue({stem: leaves[stem] for stem in self._due(leaves)})
            self._close_keys()
        return changes

    def _leaves(self, requests: Iterable[CertificateRequest]) -> dict[str, LeafRequest]:
        """Return what each certificate must say, by its file without the suffix."""
        requests = tuple(requests)
        problems = tuple(request_problems(requests))
        if problems:
            raise ConfigError(*problems)
        return {
            f"nodes/{request.node}/{request.name}": replace(
                leaf_request(request), key_type=self._key_type, days=self._days
            )
            for request in requests
        }

    def _make_authority(self) -> None:
        """Make the CA; the key of a run that was killed before its certificate came is used."""
        key = self.folder / "ca.key"
        name = f"{self.folder.resolve().name[:_CA_NAME]} CA {secrets.token_hex(4)}"
        authority = create_authority(
            name, key_type=self._key_type, key_pem=key.read_bytes() if key.exists() else None
        )
        self._write("ca", authority)

    def _issue(self, leaves: Mapping[str, LeafRequest]) -> None:
        if not leaves:
            return  # a CA whose key is kept elsewhere is no obstacle then
        authority = self._pair("ca")
        problems = tuple(authority_problems(authority, str(self.folder)))
        if problems:
            raise ConfigError(*problems)
        for stem, leaf in leaves.items():
            make_private_folder(self._file("nodes"))
            make_private_folder(self._file(stem).parent)
            self._write(stem, issue_leaf(authority, leaf))

    def _due(self, leaves: Mapping[str, LeafRequest]) -> dict[str, str]:
        """Return why each certificate that must be issued must be."""
        if self._lacks_authority():
            return dict.fromkeys(leaves, "missing")
        authority = self.ca_certificate()
        if facts_or_none(authority) is None:
            raise ConfigError(_unreadable(self._file("ca.crt")))
        reasons = {
            stem: self._reissue_reason(stem, leaf, authority) for stem, leaf in leaves.items()
        }
        return {stem: reason for stem, reason in reasons.items() if reason is not None}

    def _reissue_reason(self, stem: str, leaf: LeafRequest, authority: bytes) -> str | None:
        if not (self._file(f"{stem}.crt").exists() and self._file(f"{stem}.key").exists()):
            return "missing"
        return reissue_reason(self._pair(stem), authority, leaf, self._renew_days)

    def _lacks_authority(self) -> bool:
        """Return whether a CA must be made; raises ConfigError when one was lost."""
        if self._file("ca.crt").exists():
            return False
        if any(self.folder.glob("nodes/*/*.crt")):
            raise ConfigError(_lost_authority(self.folder))
        return True

    def _pair(self, stem: str) -> KeyPair:
        return KeyPair(self._read(f"{stem}.crt"), self._read(f"{stem}.key"))

    def _read(self, name: str) -> bytes:
        try:
            return self._file(name).read_bytes()
        except FileNotFoundError as error:
            raise ConfigError(_missing_file(self._file(name))) from error

    def _write(self, stem: str, pair: KeyPair) -> None:
        """Write the key first: a certificate without its key is never in the store."""
        write_atomically(self._file(f"{stem}.key"), pair.key, PRIVATE)
        write_atomically(self._file(f"{stem}.crt"), pair.certificate, PUBLIC)

    def _close_keys(self) -> None:
        """Take from others what a careless copy of the folder gave them."""
        for key in (self._file("ca.key"), *self.folder.glob("nodes/*/*.key")):
            if key.exists() and key.stat().st_mode & 0o777 != PRIVATE:
                key.chmod(PRIVATE)

    def _file(self, name: str) -> Path:
        return self.folder / name


def _lost_authority(folder: Path) -> Problem:
    return Problem(
        where=str(folder / "ca.crt"),
        what="the CA is not here, but certificates that it issued are",
        remedy="put ca.crt and ca.key back from your backup, or move the folder away to begin anew",
    )


def _unreadable(path: Path) -> Problem:
    return Problem(
        where=str(path),
        what="it is not a certificate",
        remedy="put the file back from your backup, or move the folder away to begin anew",
    )


def _missing_file(path: Path) -> Problem:
    backup = "put it back from your backup; without it no certificate can be issued"
    generate = "run `cfy_manager certificates generate`; it issues what lacks"
    return Problem(
        where=str(path),
        what="the file is not here",
        remedy=backup if path.name == "ca.key" else generate,
    )
