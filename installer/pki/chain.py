"""Find the way from a certificate to a root, and say where it breaks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from installer.errors import Problem
from installer.pki.brought import BroughtCertificate, Parsed
from installer.pki.facts import extension, issuer_name, subject_name

_MAX_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Path:
    """The issuers from a certificate upwards; `complete` when the last one is a trusted root."""

    issuers: tuple[x509.Certificate, ...]
    complete: bool


def chain_problems(brought: BroughtCertificate, parsed: Parsed) -> Iterator[Problem]:
    """Yield where the way from the certificate to its CA breaks, or which CA on it is unfit."""
    path = find_path(parsed.leaf, parsed.intermediates, parsed.trusted)
    if not path.complete:
        yield _break(brought, parsed, path)
        return
    for below, issuer in enumerate(path.issuers):
        fault = issuer_fault(issuer, below)
        if fault is not None:
            place = brought.ca if issuer in parsed.trusted else brought.certificate
            yield place.problem(
                f"the CA {subject_name(issuer)!r} {fault}",
                "have the CA issue a new certificate for itself, or use another CA",
            )


def _break(brought: BroughtCertificate, parsed: Parsed, path: Path) -> Problem:
    last = path.issuers[-1] if path.issuers else parsed.leaf
    roots = ", ".join(repr(subject_name(cert)) for cert in parsed.trusted)
    ca = brought.ca.file or brought.ca.where
    if is_self_issued(last) and path.issuers:
        return brought.certificate.problem(
            f"it leads to the CA {subject_name(last)!r}, which is not in {ca} ({roots})",
            "give the CA that issued the certificate, or have it issued by this CA",
        )
    if any(last.issuer == cert.subject for cert in (*parsed.trusted, *parsed.intermediates)):
        return brought.certificate.problem(
            f"it was issued by another CA of the same name as {issuer_name(last)!r} in {ca}",
            "give the CA that issued the certificate, or have it issued by this CA",
        )
    return brought.certificate.problem(
        f"the certificate of its issuer {issuer_name(last)!r} is neither in the file"
        f" nor in {ca} ({roots})",
        "append it to the certificate's file if it is an intermediate, to the CA's if a root",
    )


def find_path(
    leaf: x509.Certificate, others: Iterable[x509.Certificate], trusted: Sequence[x509.Certificate]
) -> Path:
    """Return the way from the leaf to a trusted root, or the longest way that leads to none."""
    pool = tuple(dict.fromkeys((*trusted, *others)))
    roots = frozenset(cert for cert in trusted if is_self_issued(cert))
    ways: list[tuple[x509.Certificate, ...]] = [()]
    longest: tuple[x509.Certificate, ...] = ()
    while ways:
        way = ways.pop()
        if way and way[-1] in roots:
            return Path(way, complete=True)
        longest = max(longest, way, key=len)
        current = way[-1] if way else leaf
        further = [cert for cert in pool if cert not in way and is_issued_by(current, cert)]
        if len(way) < _MAX_LENGTH:
            ways += [(*way, cert) for cert in reversed(further)]
    return Path(longest, complete=False)


def leads_to(content: bytes, authorities: bytes) -> bool:
    """Tell whether a certificate, its intermediates after it, leads to one of these roots (PEM)."""
    chain, roots = (tuple(x509.load_pem_x509_certificates(pem)) for pem in (content, authorities))
    return find_path(chain[0], chain[1:], roots).complete


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether the issuer's name and key fit the certificate's issuer and signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Return whether the certificate names itself as its issuer, as roots do."""
    return certificate.subject == certificate.issuer


def issuer_fault(issuer: x509.Certificate, below: int) -> str | None:
    """Return why the certificate may not issue one with `below` CAs between them, or None."""
    constraints = extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return "is not a CA (basic constraints)"
    if constraints.path_length is not None and constraints.path_length < below:
        return f"allows {constraints.path_length} CAs below it, there are {below}"
    usage = extension(issuer, x509.KeyUsage)
    if usage is None:
        return "has no key usage, which TLS clients of Python 3.13 demand of a CA"
    if not usage.key_cert_sign:
        return "may not sign certificates (key usage)"
    now = datetime.now(UTC)
    if issuer.not_valid_after_utc <= now:
        return f"expired on {issuer.not_valid_after_utc:%Y-%m-%d}"
    if issuer.not_valid_before_utc > now:
        return f"is valid from {issuer.not_valid_before_utc:%Y-%m-%d %H:%M} UTC only"
    return None
