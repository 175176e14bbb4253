"""A cluster's certificates on the operator's disk: what lacks is issued, the rest is kept."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from installer.errors import ConfigError, Problem
from installer.lock import hold_lock
from installer.pki.authority import KeyPair, KeyType, create_authority, issue_leaf
from installer.pki.facts import CertificateFacts, read_facts
from installer.pki.files import PRIVATE, PUBLIC, make_private_folder, write_atomically
from installer.pki.renewal import reissue_reason
from installer.pki.requirements import CertificateRequest, Kind
from installer.pki.verify import authority_problems

_CA_NAME = 48  # with the word and the random part within X.509's 64


@dataclass(frozen=True, slots=True)
class Change:
    """A file of the store that was, or would be, written anew, and why."""

    path: str  # relative to the store
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate in the store; `facts` is None when the file is no certificate."""

    path: str  # relative to the store
    facts: CertificateFacts | None


class CertificateStore:
    """The folder of one cluster: ca.crt, ca.key, nodes/NAME.crt|key, clients/USER.crt|key.

    The folder is 0700 and every key 0600; the CA's key never leaves it.
    """

    def __init__(
        self, folder: Path, *, key_type: KeyType = KeyType.EC_P256, renew_days: int = 30
    ) -> None:
        self.folder = folder
        self._key_type = key_type
        self._renew_days = renew_days

    def ca_certificate(self) -> bytes:
        """Return the CA's certificate (PEM)."""
        return self._read("ca.crt")

    def node(self, name: str) -> KeyPair:
        """Return a node's certificate and key."""
        return self._pair(f"{Kind.NODE}/{name}")

    def client(self, user: str) -> KeyPair:
        """Return a user's certificate and key."""
        return self._pair(f"{Kind.CLIENT}/{user}")

    def entries(self) -> Iterator[Entry]:
        """Yield every certificate of the store, the CA's first."""
        for path in [self.folder / "ca.crt", *sorted(self.folder.glob("*/*.crt"))]:
            if path.exists():
                yield Entry(str(path.relative_to(self.folder)), _facts(path.read_bytes()))

    def pending(self, requests: Iterable[CertificateRequest]) -> tuple[Change, ...]:
        """Return what `ensure` would issue, and why; nothing is written."""
        requests = tuple(requests)
        if self._lacks_authority():
            return (
                Change("ca.crt", "missing"),
                *(Change(_path(request), "missing") for request in requests),
            )
        return tuple(Change(_path(request), reason) for request, reason in self._due(requests))

    def ensure(self, requests: Iterable[CertificateRequest]) -> tuple[Change, ...]:
        """Issue what lacks, was changed or expires soon; return what was issued, and why.

        Raises ConfigError when the CA cannot issue: its key is elsewhere, or it has expired.
        """
        requests = tuple(requests)
        make_private_folder(self.folder)
        with hold_lock(self.folder / ".lock", "certificates"):
            changes = self.pending(requests)
            if self._lacks_authority():
                self._make_authority()
            self._issue([request for request, _ in self._due(requests)])
            self._close_keys()
        return changes

    def _make_authority(self) -> None:
        """Make the CA; the key of a run that was killed before its certificate came is used."""
        key = self.folder / "ca.key"
        name = f"{self.folder.resolve().name[:_CA_NAME]} CA {secrets.token_hex(4)}"
        authority = create_authority(
            name, key_type=self._key_type, key_pem=key.read_bytes() if key.exists() else None
        )
        self._write("ca", authority)

    def _issue(self, requests: Iterable[CertificateRequest]) -> None:
        requests = tuple(requests)
        if not requests:
            return
        authority = self._pair("ca")
        problems = tuple(authority_problems(authority, str(self.folder)))
        if problems:
            raise ConfigError(*problems)
        for request in requests:
            make_private_folder(self.folder / request.kind)
            self._write(f"{request.kind}/{request.name}", issue_leaf(authority, request.leaf))

    def _due(
        self, requests: Iterable[CertificateRequest]
    ) -> Iterator[tuple[CertificateRequest, str]]:
        authority = self.ca_certificate()
        if _facts(authority) is None:
            raise ConfigError(_unreadable(self._file("ca.crt")))
        for request in requests:
            stem = f"{request.kind}/{request.name}"
            if not (self._file(f"{stem}.crt").exists() and self._file(f"{stem}.key").exists()):
                yield request, "missing"
                continue
            pair = self._pair(stem)
            reason = reissue_reason(pair, authority, request.leaf, self._renew_days)
            if reason is not None:
                yield request, reason

    def _lacks_authority(self) -> bool:
        """Return whether a CA must be made; raises ConfigError when one was lost."""
        if self._file("ca.crt").exists():
            return False
        if any(self.folder.glob("*/*.crt")):
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
        for key in (self._file("ca.key"), *self.folder.glob("*/*.key")):
            if key.exists() and key.stat().st_mode & 0o777 != PRIVATE:
                key.chmod(PRIVATE)

    def _file(self, name: str) -> Path:
        return self.folder / name


def _path(request: CertificateRequest) -> str:
    return f"{request.kind}/{request.name}.crt"


def _facts(pem: bytes) -> CertificateFacts | None:
    try:
        return read_facts(pem)
    except ValueError:
        return None


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
