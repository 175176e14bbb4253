"""A change of a store's CA: its files tell how far it is, and each move between is one of them.

The first certificate of `ca.crt` is the CA that issues; everybody trusts all that the file holds.
`next-ca` is the CA that comes, `previous-ca` the one that goes. So an install, a renewal or a plan
in the middle of a change does what is right without knowing of it.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from installer.errors import ConfigError, Problem, Refused
from installer.lock import hold_lock
from installer.pki.authority import KeyPair, KeyType, issue_leaf
from installer.pki.ca import new_ca
from installer.pki.facts import CertificateFacts, facts_of
from installer.pki.files import NEXT_CA as NEXT
from installer.pki.files import PREVIOUS_CA as PREVIOUS
from installer.pki.files import PRIVATE, PUBLIC, write_atomically
from installer.pki.pairs import PairFolder
from installer.pki.request import LeafRequest
from installer.pki.verify import authority_problems

CA = "ca"
_TURNED = "turned-back"  # the fingerprint of the old CA, which is to stay
_WITNESS = "previous-witness"  # a leaf of a CA that goes and whose key is not here

Certificates = tuple[x509.Certificate, ...]


class Progress(StrEnum):
    """How far a change of the CA is."""

    NONE = "none"
    MADE = "made"  # the new CA is there; nobody trusts it yet
    TRUSTED = "trusted"  # both are trusted; the old one issues
    ISSUING = "issuing"  # both are trusted; the new one issues
    WITHDRAWN = "withdrawn"  # the new one only is trusted; the old one is kept to prove that


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """The CAs of a store; `issuer` signs, `other` comes or goes."""

    progress: Progress
    issuer: CertificateFacts
    other: CertificateFacts | None


class CaRollover:
    """The change of the CA of one store; whoever calls it again goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = PairFolder(folder)

    def progress(self) -> Progress:
        """Return how far it is; the files tell nothing else."""
        trusted, coming, going = (self._certificates(stem) for stem in (CA, NEXT, PREVIOUS))
        if coming and coming[0] != trusted[0]:
            return Progress.TRUSTED if coming[0] in trusted else Progress.MADE
        if going:
            return Progress.ISSUING if going[0] in trusted else Progress.WITHDRAWN
        return Progress.NONE

    def authorities(self) -> Authorities:
        """Return which CA signs, and which comes or goes."""
        progress = self.progress()
        stem = NEXT if progress in (Progress.MADE, Progress.TRUSTED) else PREVIOUS
        other = self._certificates(stem)
        return Authorities(
            progress=progress,
            issuer=facts_of(self._trusted()[0]),
            other=facts_of(other[0]) if other else None,
        )

    def has_expired(self) -> bool:
        """Tell whether the CA that goes, or issues yet, has ended: nobody is trusted by it."""
        found = self.authorities()
        is_old = found.progress in (Progress.ISSUING, Progress.WITHDRAWN)
        old = found.other if is_old and found.other else found.issuer
        return old.time_left() <= timedelta(0)

    def nodes_trust(self) -> bytes:
        """Return what nodes trust (PEM): while that is two CAs, whichever issues in one order.

        So no service restarts when only the issuer changes.
        """
        if self.progress() not in (Progress.TRUSTED, Progress.ISSUING):
            return self._files.read("ca.crt")
        return _pem(sorted(self._trusted(), key=lambda one: one.fingerprint(SHA256())))

    def issuer(self) -> KeyPair:
        """Return the CA that issues, without the other one that is trusted; nothing is written."""
        trusted, coming, going = (self._certificates(stem) for stem in (CA, NEXT, PREVIOUS))
        is_unsettled = bool(coming) and coming[0] == trusted[0] and self._files.has(NEXT)
        key = self._files.read(f"{NEXT if is_unsettled else CA}.key")
        ends = [trusted.index(o[0]) for o in (coming, going) if o and o[0] in trusted[1:]]
        return KeyPair(_pem(trusted[: min(ends, default=None)]), key)

    def begin(self, key_type: KeyType | None = None) -> None:
        """Make the new CA, or take the one that the user has put there as `next-ca`.

        Without a key type it has the old one's. Raises ConfigError for a CA that cannot issue.
        """
        with self._locked():
            if not self._certificates(NEXT):
                self._files.write(NEXT, new_ca(self._files, NEXT, key_type or self._key_type()))
            problems = tuple(authority_problems(self._files.pair(NEXT), str(self.folder), NEXT))
            if problems:
                raise ConfigError(*problems)
            if self._certificates(NEXT)[0] in self._trusted():
                raise ConfigError(_same(self._files.path(f"{NEXT}.crt")))

    def trust_both(self) -> None:
        """Let everybody trust the new CA too; the old one goes on issuing."""
        with self._locked():
            self._write_trust(*self._trusted(), *self._certificates(NEXT))

    def issue_from_new(self) -> None:
        """Let the new CA issue; the old one stays trusted. `settle` finishes a killed call."""
        with self._locked():
            trusted, coming = self._trusted(), self._certificates(NEXT)
            going = trusted[: trusted.index(coming[0])]
            self._keep_previous(going)
            self._write_trust(*coming, *going)
            self._settle()

    def withdraw(self) -> None:
        """Let nobody trust the old CA any more."""
        with self._locked():
            self._write_trust(*self._after_withdrawal())

    def finish(self) -> None:
        """Forget the old CA and its key: nobody trusts it, and nobody shall again."""
        with self._locked():
            self._remove(f"{PREVIOUS}.key", f"{_WITNESS}.key", f"{_WITNESS}.crt", f"{NEXT}.key")
            self._remove(_TURNED)  # after the key: without it nothing can turn round any more
            self._remove(f"{PREVIOUS}.crt")  # last: it tells that there is something to finish

    def is_turned_back(self) -> bool:
        """Tell whether the change leads back to the old CA."""
        return self._files.path(_TURNED).exists()

    def turn_back(self) -> None:
        """Make the CA that comes the one that goes, and the other way round; once.

        What is turned back already stays so: whoever says it again goes on. Raises Refused when the
        old CA's key is not here: it could issue nothing.
        """
        with self._locked():
            self._settle()
            has_begun = self.progress() in (Progress.MADE, Progress.TRUSTED)
            source, target = (NEXT, PREVIOUS) if has_begun else (PREVIOUS, NEXT)
            wins, loses = (CA, NEXT) if has_begun else (PREVIOUS, CA)
            if self.is_turned_back() and self._files.read(_TURNED) == self._fingerprint(loses):
                return
            if not self._files.has(source):
                raise Refused(_keyless(self._files.path(f"{source}.key")))
            write_atomically(self._files.path(_TURNED), self._fingerprint(wins), PUBLIC)
            self._files.write(target, self._files.pair(source))
            # the certificate first: a key alone tells nothing of a change
            self._remove(f"{source}.crt", f"{source}.key")

    def settle(self) -> None:
        """Finish a switch of the issuing CA that was killed between two files."""
        with self._locked():
            self._settle()

    def witness(self, request: LeafRequest) -> KeyPair:
        """Return a leaf of the CA that goes: who takes it still trusts that CA."""
        if self._files.has(PREVIOUS):
            return issue_leaf(self._files.pair(PREVIOUS), request)
        return self._files.pair(_WITNESS)

    def going(self) -> bytes:
        """Return the certificates of the CA that goes (PEM)."""
        return self._files.read(f"{PREVIOUS}.crt")

    def staying(self) -> bytes:
        """Return the CAs that are trusted when the one that goes is withdrawn (PEM)."""
        return _pem(self._after_withdrawal())

    def coming(self) -> KeyPair:
        """Return the CA that comes."""
        return self._files.pair(NEXT)

    def _keep_previous(self, going: Certificates) -> None:
        """Keep the old CA, or a leaf of it where its key is kept elsewhere."""
        key = self._files.path("ca.key")
        if key.exists():
            write_atomically(self._files.path(f"{PREVIOUS}.key"), key.read_bytes(), PRIVATE)
        else:
            self._remove(f"{PREVIOUS}.key")
            leaf = min(self._files.leaves()).relative_to(self.folder).with_suffix("")
            self._files.write(_WITNESS, self._files.pair(str(leaf)))
        write_atomically(self._files.path(f"{PREVIOUS}.crt"), _pem(going), PUBLIC)

    def _settle(self) -> None:
        coming = self._certificates(NEXT)
        if not coming or coming[0] != self._trusted()[0]:
            return
        key = self._files.path(f"{NEXT}.key")
        if key.exists():
            write_atomically(self._files.path(f"{CA}.key"), key.read_bytes(), PRIVATE)
        self._remove(f"{NEXT}.key", f"{NEXT}.crt")  # the certificate last: it tells of the switch

    def _key_type(self) -> KeyType:
        """Return the old CA's type, or the usual one where we make no such keys."""
        old = facts_of(self._trusted()[0]).key
        return KeyType(old) if old in tuple(KeyType) else KeyType.EC_P256

    def _trusted(self) -> Certificates:
        return _parsed(self._files.read("ca.crt"), self._files.path("ca.crt"))

    def _certificates(self, stem: str) -> Certificates:
        path = self._files.path(f"{stem}.crt")
        return _parsed(path.read_bytes(), path) if path.exists() else ()

    def _fingerprint(self, stem: str) -> bytes:
        return self._certificates(stem)[0].fingerprint(SHA256()).hex().encode()

    def _after_withdrawal(self) -> Certificates:
        trusted, going = self._trusted(), self._certificates(PREVIOUS)
        return trusted[: trusted.index(going[0])]

    def _write_trust(self, *certificates: x509.Certificate) -> None:
        write_atomically(self._files.path("ca.crt"), _pem(certificates), PUBLIC)

    def _remove(self, *names: str) -> None:
        for name in names:
            self._files.path(name).unlink(missing_ok=True)

    def _locked(self) -> AbstractContextManager[None]:
        return hold_lock(self.folder / ".lock", "certificates")


def _parsed(content: bytes, path: Path) -> Certificates:
    try:
        return tuple(x509.load_pem_x509_certificates(content))
    except ValueError as error:
        raise ConfigError(
            Problem(
                where=str(path),
                what="it holds no certificate",
                remedy="put the file back from your backup",
            )
        ) from error


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _same(path: Path) -> Problem:
    return Problem(
        where=str(path),
        what="this CA is the one that the cluster has already",
        remedy="put another CA there, or remove the file to have one made",
    )


def _keyless(path: Path) -> Problem:
    return Problem(
        where=str(path),
        what="the key of the CA that is to come back is not here",
        remedy="put it there from where you keep it, or let the rollover go on without `--back`",
    )
