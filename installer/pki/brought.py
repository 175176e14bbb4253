"""Certificates that the user brings: their files, and their content once it could be read."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from installer.errors import Problem
from installer.pki.request import Usage


@dataclass(frozen=True, slots=True)
class PemFile:
    """A file as the user named it: by which key path, with which content."""

    where: str  # such as postgresql_server.cert_path
    content: bytes
    file: str | None = None

    def __repr__(self) -> str:
        return f"PemFile({self.where!r}, ********)"

    def problem(self, what: str, remedy: str) -> Problem:
        """Return a problem of this file."""
        return Problem(where=self.where, what=what, remedy=remedy, file=self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtCertificate:
    """A certificate, its key and CA, and what they must serve for."""

    certificate: PemFile  # the leaf first, its intermediates after it
    key: PemFile
    ca: PemFile  # every root that its readers trust
    hosts: tuple[str, ...] = ()  # names and addresses that it must cover
    user: str | None = None  # the common name that it must carry
    usages: tuple[Usage, ...] = (Usage.SERVER, Usage.CLIENT)
    min_days: int = 30


@dataclass(frozen=True, slots=True)
class Parsed:
    """The content of the three files."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes
    trusted: tuple[x509.Certificate, ...]


def parse(brought: BroughtCertificate) -> Parsed | list[Problem]:
    """Return the content of the files, or a problem for each that cannot be read."""
    chain = parse_certificates(brought.certificate)
    key = parse_key(brought.key)
    trusted = parse_certificates(brought.ca)
    if isinstance(chain, Problem) or isinstance(key, Problem) or isinstance(trusted, Problem):
        return [part for part in (chain, key, trusted) if isinstance(part, Problem)]
    return Parsed(chain[0], chain[1:], key, trusted)


def parse_certificates(pem: PemFile) -> tuple[x509.Certificate, ...] | Problem:
    """Return the file's certificates, one or more, or why there are none."""
    try:
        certificates = tuple(x509.load_pem_x509_certificates(pem.content))
        for certificate in certificates:
            _ = certificate.extensions, certificate.public_key()  # parsed lazily
    except (ValueError, UnsupportedAlgorithm) as error:
        return pem.problem(
            f"it holds no readable certificate: {_first_line(error)}",
            "give a PEM file: -----BEGIN CERTIFICATE-----, base64, -----END CERTIFICATE-----",
        )
    return certificates


def parse_key(pem: PemFile) -> PrivateKeyTypes | Problem:
    """Return the file's private key, or why there is none."""
    try:
        return serialization.load_pem_private_key(pem.content, password=None)
    except TypeError:
        return pem.problem(
            "the key is encrypted, and no service could ask for its password",
            "decrypt it into a file of mode 0600: openssl pkey -in KEY -out NEW",
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        return pem.problem(
            f"it holds no readable private key: {_first_line(error)}",
            "give a PEM file: -----BEGIN PRIVATE KEY-----, base64, -----END PRIVATE KEY-----",
        )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].split(". ")[0] or type(error).__name__
