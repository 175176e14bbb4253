"""Which certificates will have expired by a date, in which order, and whom each takes from whom."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from installer.cluster_secrets import provisional_secrets
from installer.config.model import NodeInputs
from installer.config.source import KeyPath, value_at
from installer.expand import expand
from installer.expand.names import CA_FILE
from installer.foresight.survival import Fate, Layout, fates
from installer.inventory import Inventory
from installer.links import Certificate, Link, Listener, links, listeners
from installer.pki.facts import CertificateFacts
from installer.pki.listing import facts_or_none, list_certificates
from installer.pki.renewal import renewal_margin

RENEW_DAYS = 30
_OWN = Certificate(("postgresql_server",))  # shown where a user has no certificate of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """What no longer works: these sources no longer reach these targets with a service."""

    sources: tuple[str, ...]
    service: str  # "PostgreSQL 5432"
    targets: tuple[str, ...]
    refused: bool  # the target refuses them; otherwise they refuse the target


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """One certificate that will have expired."""

    file: str  # below the cluster's folder, or as the settings name it
    node: str  # empty: of all of them
    not_after: datetime
    renewed_from: datetime  # from then on an install or `certificates generate` issues it anew
    common_name: str
    is_ours: bool
    breaks: tuple[Break, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryForecast:
    """What will have happened by a date."""

    at: datetime
    expiries: tuple[Expiry, ...]  # by time
    known: int  # certificates that were looked at
    missing: tuple[str, ...]  # files that are not issued yet
    fates: tuple[Fate, ...]  # of the services, when all of these have expired


@dataclass(slots=True)
class _Held:
    """A certificate, and the links that need it at either end."""

    file: str
    node: str
    facts: CertificateFacts
    shown: list[Link] = field(default_factory=list)  # by their targets
    presented: list[Link] = field(default_factory=list)  # by their sources
    trusted: list[Link] = field(default_factory=list)  # to verify their targets


def expiry_forecast(inventory: Inventory, layout: Layout, at: datetime) -> ExpiryForecast:
    """Return what the certificates on the controller's disk say of a date."""
    held, missing = _held(inventory)
    gone = sorted(
        (each for each in held if each.facts.not_after <= at),
        key=lambda each: (each.facts.not_after, each.file),
    )
    silent = {link.target for each in gone for link in (*each.shown, *each.trusted)}
    nodes = {node.name for node in inventory.nodes}
    return ExpiryForecast(
        at=at,
        expiries=tuple(map(_expiry, gone)),
        known=len(held),
        missing=missing,
        fates=fates(layout, silent & nodes),
    )


def _expiry(held: _Held) -> Expiry:
    facts = held.facts
    return Expiry(
        file=held.file,
        node=held.node,
        not_after=facts.not_after,
        renewed_from=facts.not_after - renewal_margin(facts, RENEW_DAYS),
        common_name=facts.common_name,
        is_ours=not held.file.startswith("settings."),
        breaks=(
            *_breaks((*held.shown, *held.trusted), refused=False),
            *_breaks(held.presented, refused=True),
        ),
    )


def _breaks(found: Iterable[Link], *, refused: bool) -> Iterator[Break]:
    by_service: dict[str, list[Link]] = {}
    for link in found:
        by_service.setdefault(f"{link.service} {link.port}", []).append(link)
    for service, some in by_service.items():
        yield Break(
            sources=tuple(dict.fromkeys(str(link.source) for link in some)),
            service=service,
            targets=tuple(dict.fromkeys(link.target for link in some)),
            refused=refused,
        )


def _held(inventory: Inventory) -> tuple[list[_Held], tuple[str, ...]]:
    """Return every certificate, with the links that need it, and the files that are not there."""
    nodes = expand(inventory, provisional_secrets(inventory.secrets_path), _on_disk(inventory))
    doors = {(door.node, door.service, door.port): door for door in listeners(inventory)}
    shelf = _Shelf(nodes)
    for link in links(inventory):
        if link.tls is None:
            continue
        if door := doors.get((link.target, link.service, link.port)):
            shelf.note_shown(link, door)
        if link.source in nodes and link.tls.trust:
            shelf.note_trusted(link, link.tls.trust)
        if link.source in nodes and link.tls.client:
            shelf.note_presented(link, link.tls.client)
    known = {each.file for each in shelf.held.values()}
    spare = [
        _Held(entry.path, Path(entry.path).parent.name, entry.facts)
        for entry in list_certificates(inventory.certificates_path)
        if entry.facts and entry.path not in known
    ]
    return [*shelf.held.values(), *spare], tuple(dict.fromkeys(shelf.missing))


class _Shelf:
    """The certificates found so far, by node and path; the CA's are one for all nodes."""

    def __init__(self, nodes: Mapping[str, NodeInputs]) -> None:
        self._nodes = nodes
        self.held: dict[tuple[str, str], _Held] = {}
        self.missing: list[str] = []

    def note_shown(self, link: Link, door: Listener) -> None:
        if door.certificate and (held := self._find(link.target, door.certificate.certificate_key)):
            held.shown.append(link)

    def note_presented(self, link: Link, client: Certificate) -> None:
        own = self._path(link.source, client.certificate_key)
        key = client.certificate_key if own else _OWN.certificate_key
        if held := self._find(link.source, key):
            held.presented.append(link)

    def note_trusted(self, link: Link, trust: KeyPath) -> None:
        if held := self._find(link.source, trust):
            held.trusted.append(link)

    def _path(self, node: str, key: KeyPath) -> str:
        return str(value_at(self._nodes[node].config, key) or "")

    def _find(self, node: str, key: KeyPath) -> _Held | None:
        path = self._path(node, key)
        if not path:
            return None
        place = ("" if Path(path).name == CA_FILE else node, path)
        if place not in self.held:
            facts = self._facts(node, path)
            if facts is None:
                self.missing.append(_file(*place))
                return None
            self.held[place] = _Held(_file(*place), place[0], facts)
        return self.held[place]

    def _facts(self, node: str, path: str) -> CertificateFacts | None:
        try:
            return facts_or_none(self._nodes[node].read(path))
        except FileNotFoundError:
            return None


def _file(node: str, path: str) -> str:
    """Return where the operator finds a certificate: in the cluster's folder, or by its setting."""
    name = Path(path).name
    if not node:
        return name
    if name.partition("-")[0] in ("node.crt", "client"):
        return f"nodes/{node}/{name}"
    return f"settings.{Path(path).stem.replace('-', '.')}"


def _on_disk(inventory: Inventory) -> dict[str, dict[str, bytes]]:
    """Return what is issued already, without keys."""
    folder = inventory.certificates_path
    ca = folder / CA_FILE
    shared = {CA_FILE: ca.read_bytes()} if ca.is_file() else {}
    return {
        node.name: shared
        | {path.name: path.read_bytes() for path in (folder / "nodes" / node.name).glob("*.crt")}
        for node in inventory.nodes
    }
