"""Say all that is wrong with a certificate that the user brings, before a service meets it."""

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from installer.errors import Problem
from installer.pki.authority import KeyPair
from installer.pki.brought import BroughtCertificate, Parsed, PemFile, parse
from installer.pki.chain import chain_problems, issuer_fault
from installer.pki.device import device_id
from installer.pki.facts import CertificateFacts, extension, facts_of
from installer.pki.handshake import handshake_fault
from installer.pki.request import is_address

__all__ = [
    "BroughtCertificate",
    "PemFile",
    "authority_problems",
    "certificate_problems",
    "device_id",
]

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_MIN_RSA_BITS = 2048  # OpenSSL's security level 2, Debian's default, refuses less
_WEAK_HASHES = ("md5", "sha1")


def certificate_problems(brought: BroughtCertificate) -> Iterator[Problem]:
    """Yield one problem for each defect of the certificate, its key and its chain.

    What these checks do not know, such as name constraints, a TLS handshake finds at the end.
    """
    parsed = parse(brought)
    if isinstance(parsed, list):
        yield from parsed
        return
    problems = list(_defects(brought, parsed))
    yield from problems
    if not problems:
        yield from _handshake_problems(brought, parsed)


def authority_problems(pair: KeyPair, where: str, stem: str = "ca") -> Iterator[Problem]:
    """Yield what keeps a CA's certificate and key from issuing others."""
    certificate = PemFile(f"{where}/{stem}.crt", pair.certificate)
    key = PemFile(f"{where}/{stem}.key", pair.key)
    parsed = parse(BroughtCertificate(certificate=certificate, key=key, ca=certificate))
    if isinstance(parsed, list):
        yield from dict.fromkeys(parsed)  # the certificate is read twice
        return
    yield from _key_problems(certificate, key, parsed)
    fault = issuer_fault(parsed.leaf, below=0)
    if fault is not None:
        yield certificate.problem(
            f"the CA {fault}", "put a CA there that can issue, or move the folder away"
        )


def _defects(brought: BroughtCertificate, parsed: Parsed) -> Iterator[Problem]:
    pem, facts = brought.certificate, facts_of(parsed.leaf)
    if facts.is_authority:
        yield pem.problem(
            f"its first certificate, {facts.common_name!r}, is a CA's",
            "put the node's own certificate first in the file, its intermediates after it",
        )
        return
    yield from _key_problems(pem, brought.key, parsed)
    yield from _date_problems(brought, facts)
    yield from _name_problems(brought, facts)
    yield from _usage_problems(brought, parsed.leaf, facts)
    yield from chain_problems(brought, parsed)


def _key_problems(certificate: PemFile, key: PemFile, parsed: Parsed) -> Iterator[Problem]:
    public = parsed.leaf.public_key()
    if parsed.key.public_key() != public:
        yield key.problem(
            f"the key is not that of the certificate {certificate.file or certificate.where}",
            "give the key with which the certificate was requested",
        )
    weakness = _weakness(public)
    if weakness is not None:
        yield certificate.problem(
            weakness, "request it again with an EC key (P-256) or an RSA key of 2048 bits or more"
        )
    algorithm = parsed.leaf.signature_hash_algorithm
    if algorithm is not None and algorithm.name in _WEAK_HASHES:
        yield certificate.problem(
            f"it is signed with {algorithm.name}, which TLS refuses", "have it issued with SHA-256"
        )


def _weakness(public: object) -> str | None:
    match public:
        case rsa.RSAPublicKey():
            weak = public.key_size < _MIN_RSA_BITS
            return f"its RSA key of {public.key_size} bits is weak" if weak else None
        case ec.EllipticCurvePublicKey():
            known = isinstance(public.curve, _CURVES)
            return None if known else f"not every service knows its curve {public.curve.name}"
        case _:
            return "its key is neither EC nor RSA, which not every service can use"


def _date_problems(brought: BroughtCertificate, facts: CertificateFacts) -> Iterator[Problem]:
    pem, days = brought.certificate, facts.days_left()
    if facts.not_before > datetime.now(UTC):
        yield pem.problem(
            f"it is valid from {facts.not_before:%Y-%m-%d %H:%M} UTC only",
            "wait until then, or correct this machine's clock",
        )
    if days < 0:
        yield pem.problem(f"it expired on {facts.not_after:%Y-%m-%d}", "have it issued anew")
    elif days < brought.min_days:
        yield pem.problem(
            f"it expires in {days} days, on {facts.not_after:%Y-%m-%d}", "have it issued anew"
        )


def _name_problems(brought: BroughtCertificate, facts: CertificateFacts) -> Iterator[Problem]:
    missing = [host for host in brought.hosts if not _covers(facts, host)]
    if missing:
        present = ", ".join(dict.fromkeys((*facts.dns_names, *facts.addresses))) or "none"
        yield brought.certificate.problem(
            f"its alternative names ({present}) lack {', '.join(missing)}",
            "have it issued with each of them: an address as IP, a name as DNS",
        )
    if brought.user is not None and facts.common_name != brought.user:
        yield brought.certificate.problem(
            f"its common name is {facts.common_name!r}, which is not the user {brought.user!r}",
            f"have it issued with the common name {brought.user}",
        )


def _covers(facts: CertificateFacts, host: str) -> bool:
    """Return whether the certificate names the host; a wildcard stands for one label."""
    if is_address(host):
        return str(ipaddress.ip_address(host)) in facts.addresses
    names = {name.lower() for name in facts.dns_names}
    return host.lower() in names or f"*.{host.partition('.')[2]}".lower() in names


def _usage_problems(
    brought: BroughtCertificate, leaf: x509.Certificate, facts: CertificateFacts
) -> Iterator[Problem]:
    missing = [usage.value for usage in brought.usages if usage not in facts.usages]
    if missing:
        yield brought.certificate.problem(
            f"its extended key usage does not allow it as {' and '.join(missing)}",
            "have it issued with extendedKeyUsage serverAuth, clientAuth",
        )
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        yield brought.certificate.problem(
            "its key usage does not allow digital signatures, which every handshake makes",
            "have it issued with keyUsage digitalSignature",
        )


def _handshake_problems(brought: BroughtCertificate, parsed: Parsed) -> Iterator[Problem]:
    pair = KeyPair(_pem(parsed.leaf, *parsed.intermediates), _key_pem(parsed))
    host = next(iter(brought.hosts), None)
    fault = handshake_fault(pair, _pem(*parsed.trusted), host, brought.usages)
    if fault is not None:
        yield brought.certificate.problem(
            f"a TLS handshake with it fails: {fault}",
            "see what `openssl verify -x509_strict -CAfile CA CERTIFICATE` says, have it reissued",
        )


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in certificates)


def _key_pem(parsed: Parsed) -> bytes:
    return parsed.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
