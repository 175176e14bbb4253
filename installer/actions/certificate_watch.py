"""Look after a cluster's certificates: tell which end soon, and renew those that may be renewed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from installer.actions.renewal import RenewRequest, renew_certificates
from installer.expand.names import CA_FILE
from installer.foresight.expiry import Expiry, expiry_forecast
from installer.foresight.outlook import load_outlook
from installer.inventory import Inventory
from installer.pki.facts import read_facts
from installer.pki.store import CertificateStore
from installer.report import Report

Renew = Callable[[Path, RenewRequest, Report], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What the operator wants of a look at the certificates."""

    days: int = 30  # from when on a certificate is told
    renew: bool = False  # the CA's key lies here and may be used without a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A certificate that ends soon, or has ended, and what to do about it."""

    file: str
    not_after: datetime
    remedy: str
    node: str  # empty: it is no node's, or not ours
    is_renewable: bool

    def __str__(self) -> str:
        left = self.not_after - datetime.now(UTC)
        when = f"ends in {left.days} days" if left > timedelta() else "has ended"
        return f"{self.file} {when}, at {self.not_after:%Y-%m-%d %H:%M} UTC; {self.remedy}"


def endings(path: Path, days: int) -> tuple[Ending, ...]:
    """Return the certificates of a cluster that will have ended in so many days, by time."""
    outlook = load_outlook(path)
    inventory = outlook.inventory
    found = expiry_forecast(inventory, outlook.layout, datetime.now(UTC) + timedelta(days=days))
    until = _ca_ends(inventory)
    has_key = (inventory.certificates_path / "ca.key").exists()
    return tuple(_ending(each, path, until, has_key=has_key) for each in found.expiries)


def look_after(
    path: Path, request: WatchRequest, report: Report, renew: Renew = renew_certificates
) -> tuple[Ending, ...]:
    """Renew what ends soon where that is wanted; return what still ends soon then."""
    due = endings(path, request.days)
    nodes = tuple(dict.fromkeys(each.node for each in due if each.is_renewable))
    if not request.renew or not nodes:
        return due
    report.tell(f"Renewing the certificates of {', '.join(nodes)}.")
    renew(path, RenewRequest(nodes=nodes), report)
    return endings(path, request.days)


def _ca_ends(inventory: Inventory) -> datetime | None:
    store = CertificateStore(inventory.certificates_path)
    if not (store.folder / CA_FILE).exists():
        return None
    return read_facts(store.ca_certificate()).not_after


def _ending(found: Expiry, path: Path, ca_ends: datetime | None, *, has_key: bool) -> Ending:
    """Return what to do: a leaf is renewed if its CA outlives it, a CA is rolled over."""
    outlives = ca_ends is not None and found.not_after < ca_ends
    if not found.is_ours:
        remedy = f"put another one there: `cfy_manager certificates replace -i {path}`"
    elif not found.node or not outlives:
        remedy = f"the CA ends: `cfy_manager certificates rollover -i {path}`"
    elif not has_key:
        remedy = "put ca.key back, and run `cfy_manager certificates renew`"
    else:
        remedy = f"`cfy_manager certificates renew -i {path} --node {found.node}`"
    return Ending(
        file=found.file,
        not_after=found.not_after,
        remedy=remedy,
        node=found.node,
        is_renewable=bool(found.is_ours and found.node and outlives and has_key),
    )
