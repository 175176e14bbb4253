"""Make a cluster's CA and issue leaf certificates: bytes in, bytes out."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from installer.pki.request import KeyType, LeafRequest, Usage

__all__ = ["KeyPair", "KeyType", "LeafRequest", "Usage", "create_authority", "issue_leaf"]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CLOCK_SKEW = timedelta(hours=1)  # a node whose clock is behind accepts a new certificate
_EXTENDED_USAGES = {
    Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate (PEM, intermediates may follow it) and its private key (PEM, PKCS #8)."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "KeyPair(********)"


def create_authority(
    common_name: str,
    *,
    key_type: KeyType = KeyType.EC_P256,
    days: int = 3650,
    key_pem: bytes | None = None,
) -> KeyPair:
    """Return a new self-signed CA that issues leaves and no further CAs; `key_pem` is its key.

    An RSA key takes seconds and blocks gevent meanwhile: issue before hosts are connected.
    """
    key = _new_key(key_type) if key_pem is None else _load_signer(key_pem)
    name = _name(common_name)
    builder = _builder(name, key, issuer=name, not_after=_now() + timedelta(days=days))
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(key_cert_sign=True, crl_sign=True), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
    )
    certificate = _extended(builder, extensions).sign(key, hashes.SHA256())
    return KeyPair(_pem(certificate), _key_pem(key))


def issue_leaf(authority: KeyPair, request: LeafRequest) -> KeyPair:
    """Return a new key and its certificate, followed by the authority's intermediates.

    A leaf never outlives its authority: it could not be verified then.
    """
    issuers = x509.load_pem_x509_certificates(authority.certificate)
    issuer, signer = issuers[0], _load_signer(authority.key)
    key = _new_key(request.key_type)
    not_after = min(_now() + timedelta(days=request.days), issuer.not_valid_after_utc)
    builder = _builder(_name(request.common_name), key, issuer=issuer.subject, not_after=not_after)
    certificate = _extended(builder, _leaf_extensions(request, key, issuer)).sign(
        signer, hashes.SHA256()
    )
    intermediates = [cert for cert in issuers if cert.subject != cert.issuer]
    return KeyPair(_pem(certificate, *intermediates), _key_pem(key))


def _leaf_extensions(
    request: LeafRequest, key: PrivateKey, issuer: x509.Certificate
) -> list[tuple[x509.ExtensionType, bool]]:
    encipherment = isinstance(key, rsa.RSAPrivateKey)  # RSA key exchange of TLS 1.2
    usages = [_EXTENDED_USAGES[usage] for usage in request.usages]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True, key_encipherment=encipherment), True),
        (x509.ExtendedKeyUsage(usages), False),
        (_authority_identifier(issuer), False),
    ]
    names = _alternative_names(request)
    if names:
        extensions.append((x509.SubjectAlternativeName(names), False))
    return extensions


def _alternative_names(request: LeafRequest) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in request.dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in request.addresses]
    return list(dict.fromkeys(names))


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Point to the issuer by the identifier it gives itself, which need not be ours."""
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        key = _load_public(issuer)
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _builder(
    subject: x509.Name, key: PrivateKey, *, issuer: x509.Name, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _CLOCK_SKEW)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _extended(
    builder: x509.CertificateBuilder, extensions: Sequence[tuple[x509.ExtensionType, bool]]
) -> x509.CertificateBuilder:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder


def _key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _new_key(key_type: KeyType) -> PrivateKey:
    if key_type is KeyType.EC_P256:
        return ec.generate_private_key(ec.SECP256R1())
    size = 2048 if key_type is KeyType.RSA_2048 else 4096
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


def _load_signer(pem: bytes) -> PrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, PrivateKey):
        raise TypeError(f"an authority signs with RSA or EC, not with {type(key).__name__}")
    return key


def _load_public(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise TypeError(f"an authority has an RSA or EC key, not {type(key).__name__}")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _now() -> datetime:
    return datetime.now(UTC)


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in certificates)


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
