"""Decide whether a stored certificate must be issued anew."""

from collections.abc import Iterator
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from installer.pki.authority import KeyPair
from installer.pki.chain import is_issued_by
from installer.pki.facts import CertificateFacts, facts_of
from installer.pki.request import LeafRequest


def reissue_reason(
    pair: KeyPair, authority: bytes, request: LeafRequest, renew_days: int
) -> str | None:
    """Return why the stored pair no longer fits the request, or None when it does."""
    issuer = x509.load_pem_x509_certificate(authority)
    try:
        leaf = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, password=None)
    except (ValueError, TypeError):
        return "it cannot be read"
    if key.public_key() != leaf.public_key():
        return "its key is of another certificate"
    if not is_issued_by(leaf, issuer):
        return "it was issued by another CA"
    facts = facts_of(leaf)
    changes = [*_changes(facts, request)]
    if changes:
        return "; ".join(changes)
    return _expiry(facts, facts_of(issuer), renew_days)


def renewal_margin(facts: CertificateFacts, renew_days: int) -> timedelta:
    """Return how long before its end a certificate is issued anew: at most a third of its life."""
    return min(timedelta(days=renew_days), (facts.not_after - facts.not_before) / 3)


def _changes(facts: CertificateFacts, request: LeafRequest) -> Iterator[str]:
    if facts.common_name != request.common_name:
        yield f"its name was {facts.common_name}"
    wanted = {*request.dns_names, *request.addresses}
    present = {*facts.dns_names, *facts.addresses}
    if present != wanted:
        added = [f"+{host}" for host in sorted(wanted - present)]
        gone = [f"-{host}" for host in sorted(present - wanted)]
        yield f"its hosts changed: {' '.join(added + gone)}"
    if facts.key != request.key_type:
        yield f"its key was {facts.key}"
    if facts.usages != frozenset(request.usages):
        yield "its usages changed"


def _expiry(facts: CertificateFacts, authority: CertificateFacts, renew_days: int) -> str | None:
    """Tell an expiry only while a new certificate would live longer than the old one."""
    days = facts.days_left()
    if (
        facts.time_left() > renewal_margin(facts, renew_days)
        or facts.not_after >= authority.not_after
    ):
        return None
    return f"it expires in {days} days" if days >= 0 else f"it expired {-days} days ago"
