"""A cluster's certificates on the operator's disk: what lacks is issued, the rest is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from installer.errors import ConfigError, Problem
from installer.lock import hold_lock
from installer.pki.authority import KeyPair, KeyType, issue_leaf
from installer.pki.ca import new_ca
from installer.pki.facts import read_facts
from installer.pki.files import make_private_folder
from installer.pki.listing import facts_or_none
from installer.pki.pairs import PairFolder
from installer.pki.renewal import reissue_reason
from installer.pki.request import LeafRequest
from installer.pki.requirements import CertificateRequest, leaf_request, request_problems
from installer.pki.rollover import CaRollover
from installer.pki.verify import authority_problems

_KEY_TYPES = frozenset(kind.value for kind in KeyType)


@dataclass(frozen=True, slots=True)
class Change:
    """A file of the store that was, or would be, written anew, and why."""

    path: str  # relative to the store
    reason: str


class CertificateStore:
    """The folder of one cluster: ca.crt, ca.key, and nodes/NODE/ with what goes to that node.

    A node's folder holds node.crt, node.key, and client-USER.crt, client-USER.key.
    Folders are 0700 and keys 0600; the CA's key never leaves its folder.
    Without a key type each certificate keeps its own, and new ones follow the CA's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        key_type: KeyType | None = None,
        days: int = 365,
        renew_days: int = 30,
    ) -> None:
        self.folder = folder
        self._files = PairFolder(folder)
        self._key_type = key_type
        self._days = days
        self._renew_days = renew_days

    def ca_certificate(self) -> bytes:
        """Return the CA's certificate (PEM)."""
        return self._files.read("ca.crt")

    def pair(self, node: str, name: str = "node") -> KeyPair:
        """Return a certificate of a node and its key; `name` is node or client-USER."""
        return self._files.pair(f"nodes/{node}/{name}")

    def by_node(self, requests: Iterable[CertificateRequest]) -> dict[str, dict[str, bytes]]:
        """Return what each node holds: ca.crt and the requested NAME.crt and NAME.key."""
        return self._by_node(requests, {})

    def preview(self, requests: Iterable[CertificateRequest]) -> dict[str, dict[str, bytes]]:
        """Return what each node would hold after `ensure`; nothing is written."""
        requests = tuple(requests)
        return self._by_node(requests, self._issue(self._leaves(requests)))

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
            for stem, pair in self._issue(leaves).items():
                self._files.write(stem, pair)
            self._files.close_keys()
        return changes

    def reissue(self, requests: Iterable[CertificateRequest]) -> tuple[Change, ...]:
        """Issue these certificates anew, however long the present ones last.

        Each keeps its type of key. Raises ConfigError as `ensure` does, before any is written.
        """
        leaves = self._leaves(requests)
        authority = self._signing_authority()
        with hold_lock(self.folder / ".lock", "certificates"):
            for stem, leaf in leaves.items():
                self._files.write(stem, issue_leaf(authority, leaf))
        return tuple(Change(f"{stem}.crt", "renewed") for stem in leaves)

    def demand_issuer(self) -> None:
        """Raise ConfigError where no certificate could be issued: the key may be kept elsewhere."""
        self._signing_authority()

    def fingerprints(self, requests: Iterable[CertificateRequest]) -> dict[str, str]:
        """Return what tells each certificate from its successors, by its file's name.

        One that lacks, or cannot be read, has none.
        """
        stems = [_stem(request) for request in requests]
        found = {
            stem: facts_or_none(self._files.pair(stem).certificate)
            if self._files.has(stem)
            else None
            for stem in stems
        }
        return {stem: facts.fingerprint if facts else "" for stem, facts in found.items()}

    def _by_node(
        self, requests: Iterable[CertificateRequest], issued: Mapping[str, KeyPair]
    ) -> dict[str, dict[str, bytes]]:
        is_new = "ca" in issued
        ca = issued["ca"].certificate if is_new else CaRollover(self.folder).nodes_trust()
        files: dict[str, dict[str, bytes]] = {}
        for request in requests:
            stem = _stem(request)
            pair = issued[stem] if stem in issued else self._files.pair(stem)
            held = files.setdefault(request.node, {"ca.crt": ca})
            held[f"{request.name}.crt"], held[f"{request.name}.key"] = pair.certificate, pair.key
        return files

    def _leaves(self, requests: Iterable[CertificateRequest]) -> dict[str, LeafRequest]:
        """Return what each certificate must say, by its file without the suffix."""
        requests = tuple(requests)
        problems = tuple(request_problems(requests))
        if problems:
            raise ConfigError(*problems)
        return {
            _stem(request): replace(
                leaf_request(request), key_type=self._key_type_of(_stem(request)), days=self._days
            )
            for request in requests
        }

    def _key_type_of(self, stem: str) -> KeyType:
        if self._key_type is not None:
            return self._key_type
        for name in (f"{stem}.crt", "ca.crt"):
            path = self._files.path(name)
            facts = facts_or_none(path.read_bytes()) if path.exists() else None
            if facts is not None and facts.key in _KEY_TYPES:
                return KeyType(facts.key)
        return KeyType.EC_P256

    def _issue(self, leaves: Mapping[str, LeafRequest]) -> dict[str, KeyPair]:
        """Return a new pair for each that is due, in the order in which they are to be written."""
        due = self._due(leaves)
        if self._lacks_authority():
            authority = new_ca(self._files, "ca", self._key_type_of("ca"))
            issued = {"ca": authority}
        elif due:
            authority, issued = self._signing_authority(), {}
        else:
            return {}  # a CA whose key is kept elsewhere is no obstacle then
        return issued | {stem: issue_leaf(authority, leaves[stem]) for stem in due}

    def _signing_authority(self) -> KeyPair:
        authority = CaRollover(self.folder).issuer()
        if read_facts(authority.certificate).time_left() <= timedelta(0):
            raise ConfigError(_expired(self._files.path("ca.crt"), authority))
        problems = tuple(authority_problems(authority, str(self.folder)))
        if problems:
            raise ConfigError(*problems)
        return authority

    def _due(self, leaves: Mapping[str, LeafRequest]) -> dict[str, str]:
        """Return why each certificate that must be issued must be."""
        if self._lacks_authority():
            return dict.fromkeys(leaves, "missing")
        authority = self.ca_certificate()
        if facts_or_none(authority) is None:
            raise ConfigError(_unreadable(self._files.path("ca.crt")))
        reasons = {
            stem: self._reissue_reason(stem, leaf, authority) for stem, leaf in leaves.items()
        }
        return {stem: reason for stem, reason in reasons.items() if reason is not None}

    def _reissue_reason(self, stem: str, leaf: LeafRequest, authority: bytes) -> str | None:
        if not self._files.has(stem):
            return "missing"
        return reissue_reason(self._files.pair(stem), authority, leaf, self._renew_days)

    def _lacks_authority(self) -> bool:
        """Return whether a CA must be made; raises ConfigError when one was lost."""
        if self._files.path("ca.crt").exists():
            return False
        if any(self._files.leaves()):
            raise ConfigError(_lost_authority(self.folder))
        return True


def _stem(request: CertificateRequest) -> str:
    return f"nodes/{request.node}/{request.name}"


def _lost_authority(folder: Path) -> Problem:
    return Problem(
        where=str(folder / "ca.crt"),
        what="the CA is not here, but certificates that it issued are",
        remedy="put ca.crt and ca.key back from your backup, or move the folder away to begin anew",
    )


def _expired(path: Path, authority: KeyPair) -> Problem:
    return Problem(
        where=str(path),
        what=f"the CA expired on {read_facts(authority.certificate).not_after:%Y-%m-%d}",
        remedy="give the cluster another: `cfy_manager certificates rollover -i INVENTORY`",
        code="ca-expired",
    )


def _unreadable(path: Path) -> Problem:
    return Problem(
        where=str(path),
        what="it is not a certificate",
        remedy="put the file back from your backup, or move the folder away to begin anew",
    )
