"""Speak TLS as a client would: with or without a certificate, in an old version, to any service."""

import socket
import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TIMEOUT_S = 10.0  # ten hosts on two busy cores answer late
_QUIET_S = 2.0  # a server that refuses a certificate has said so by then
_PG_SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"  # PostgreSQL, "Message Formats": SSLRequest

OLD_VERSIONS = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path

    @classmethod
    def named(cls, folder: Path, name: str = "node") -> Self:
        return cls(folder / f"{name}.crt", folder / f"{name}.key")

    @property
    def files(self) -> tuple[str, str]:
        return str(self.certificate), str(self.key)


def trusting(ca: Path, pair: Pair | None = None) -> ssl.SSLContext:
    """Return what accepts only servers of the CA, and shows the pair if there is one."""
    context = ssl.create_default_context(cafile=str(ca))
    if pair is not None:
        context.load_cert_chain(*pair.files)
    return context


def outdated(version: ssl.TLSVersion, pair: Pair | None = None) -> ssl.SSLContext:
    """Return what speaks just one old version and believes every server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return allow(context, version, pair)


def allow(
    context: ssl.SSLContext, version: ssl.TLSVersion, pair: Pair | None = None
) -> ssl.SSLContext:
    """Make a context speak just this version; OpenSSL signs for old ones at level 0 only."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    if pair is not None:
        context.load_cert_chain(*pair.files)
    return context


def handshake(address: str, port: int, context: ssl.SSLContext) -> str | None:
    """Return the version agreed on; raises ssl.SSLError or OSError where there is none."""
    with _connected(address, port) as plain:
        if port == 5432:
            plain.sendall(_PG_SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise ssl.SSLError("the server goes on without TLS")
        with context.wrap_socket(plain, server_hostname=address) as secured:
            return secured.version()


def refusal(address: str, port: int, context: ssl.SSLContext) -> str:
    """Return why the server ends a connection of this context at once; "" when it does not.

    In TLS 1.3 a server looks at the client's certificate after the client's side of the handshake.
    """
    try:
        with (
            _connected(address, port) as plain,
            context.wrap_socket(plain, server_hostname=address) as secured,
        ):
            secured.settimeout(_QUIET_S)
            return "" if secured.recv(1) else "closed"
    except TimeoutError:
        return ""
    except ssl.SSLError as error:
        return error.reason or str(error)


def _connected(address: str, port: int) -> socket.socket:
    return socket.create_connection((address, port), timeout=_TIMEOUT_S)
