"""What a certificate says, as plain values."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from installer.pki.request import Usage

_USAGE_OIDS = {
    ExtendedKeyUsageOID.SERVER_AUTH: Usage.SERVER,
    ExtendedKeyUsageOID.CLIENT_AUTH: Usage.CLIENT,
}
_T = TypeVar("_T", bound=x509.ExtensionType)
EVERY_USAGE = frozenset(Usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """The content of one certificate; names and addresses as text, times in UTC."""

    common_name: str
    issuer: str
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    usages: frozenset[Usage]  # without an extended key usage: every one (RFC 5280, 4.2.1.12)
    key: str  # a KeyType's value, or "rsa-1024", "ec-secp384r1", "Ed25519PublicKey"
    is_authority: bool
    not_before: datetime
    not_after: datetime
    serial: int
    fingerprint: str  # SHA-256 of the whole certificate

    @property
    def serial_text(self) -> str:
        """Return the serial number as `openssl x509 -serial` writes it."""
        return self.serial.to_bytes((self.serial.bit_length() + 7) // 8).hex().upper()

    def time_left(self) -> timedelta:
        """Return the time until it expires; negative when it has."""
        return self.not_after - datetime.now(UTC)

    def days_left(self) -> int:
        """Return the whole days until it expires; negative when it has."""
        return self.time_left().days


def read_facts(pem: bytes) -> CertificateFacts:
    """Return what the first certificate of the PEM says; raises ValueError when there is none."""
    return facts_of(x509.load_pem_x509_certificate(pem))


def read_der(der: bytes) -> CertificateFacts:
    """Return what a certificate from a handshake says; raises ValueError when it is none."""
    return facts_of(x509.load_der_x509_certificate(der))


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Return what the certificate says."""
    names = extension(certificate, x509.SubjectAlternativeName)
    constraints = extension(certificate, x509.BasicConstraints)
    return CertificateFacts(
        common_name=_common_name(certificate.subject),
        issuer=issuer_name(certificate),
        dns_names=tuple(names.get_values_for_type(x509.DNSName)) if names else (),
        addresses=tuple(map(str, names.get_values_for_type(x509.IPAddress))) if names else (),
        usages=_usages(certificate),
        key=_key_name(certificate),
        is_authority=constraints is not None and constraints.ca,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        serial=certificate.serial_number,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def extension(certificate: x509.Certificate, kind: type[_T]) -> _T | None:
    """Return the extension of this kind, or None when the certificate lacks it."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def subject_name(certificate: x509.Certificate) -> str:
    """Return the holder's common name, or the whole name where that lacks."""
    return _common_name(certificate.subject) or certificate.subject.rfc4514_string()


def issuer_name(certificate: x509.Certificate) -> str:
    """Return the issuer's common name, or the whole name where that lacks."""
    return _common_name(certificate.issuer) or certificate.issuer.rfc4514_string()


def _common_name(name: x509.Name) -> str:
    attributes = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else ""


def _usages(certificate: x509.Certificate) -> frozenset[Usage]:
    usages = extension(certificate, x509.ExtendedKeyUsage)
    if usages is None or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages:
        return EVERY_USAGE
    return frozenset(_USAGE_OIDS[oid] for oid in usages if oid in _USAGE_OIDS)


def _key_name(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ec-p256" if isinstance(key.curve, ec.SECP256R1) else f"ec-{key.curve.name}"
    return type(key).__name__
