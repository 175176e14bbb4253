"""Certificates with one thing wrong, made with the library itself: our own code refuses to."""

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
DAY = timedelta(days=1)


@dataclass(kw_only=True)
class Made:
    """A certificate that can issue others, as the maker sees it."""

    certificate: x509.Certificate
    key: object

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, password: bytes | None = None) -> bytes:
        encryption = serialization.BestAvailableEncryption(password) if password else None
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            encryption or serialization.NoEncryption(),
        )


@dataclass(kw_only=True)
class Recipe:
    """What to make; the defaults are a good leaf for db-1 and 10.0.0.1."""

    name: str = "db-1"
    hosts: tuple[str | x509.GeneralName, ...] = ("db-1", "10.0.0.1")
    begins: timedelta = -DAY
    ends: timedelta = 365 * DAY
    is_ca: bool = False
    path_length: int | None = None
    usages: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT)
    key_usage: bool = True
    signs: bool = True
    key: object = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    hash: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()


def ca(name: str = "Example Root", issuer: Made | None = None, **changes) -> Made:
    """Make a root, or an intermediate when it has an issuer."""
    return make(Recipe(name=name, hosts=(), usages=(), is_ca=True, **changes), issuer)


def leaf(issuer: Made, **changes) -> Made:
    """Make a leaf that differs from a good one by `changes`."""
    return make(Recipe(**changes), issuer)


def make(recipe: Recipe, issuer: Made | None) -> Made:
    public, now = recipe.key.public_key(), datetime.now(UTC)
    signer = issuer.key if issuer else recipe.key
    subject = _name(recipe.name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + recipe.begins)
        .not_valid_after(now + recipe.ends)
    )
    for extension, critical in _extensions(recipe, public, signer.public_key()):
        builder = builder.add_extension(extension, critical=critical)
    return Made(certificate=builder.sign(signer, recipe.hash), key=recipe.key)


def _extensions(recipe: Recipe, public, issuer_public):
    yield x509.BasicConstraints(ca=recipe.is_ca, path_length=recipe.path_length), True
    yield x509.SubjectKeyIdentifier.from_public_key(public), False
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), False
    if recipe.key_usage:
        yield _key_usage(recipe), True
    if recipe.usages:
        yield x509.ExtendedKeyUsage(recipe.usages), False
    if recipe.hosts:
        yield x509.SubjectAlternativeName([_general_name(host) for host in recipe.hosts]), False
    yield from recipe.extra


def _key_usage(recipe: Recipe) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=recipe.signs and not recipe.is_ca,
        key_cert_sign=recipe.signs and recipe.is_ca,
        crl_sign=recipe.is_ca,
        content_commitment=False,
        key_encipherment=not recipe.is_ca,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str | x509.GeneralName) -> x509.GeneralName:
    if isinstance(host, x509.GeneralName):
        return host
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
