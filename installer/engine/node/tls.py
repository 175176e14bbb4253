"""TLS contexts from certificates and keys that came by stdin; no key touches a disk."""

from __future__ import annotations

import os

from installer.engine.node.base import Failure

try:
    import ssl as ssl
except ImportError:  # python3-minimal has none; the agent lives on
    ssl = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any


def demand_tls() -> None:
    """Raise Failure where Python knows no TLS."""
    if ssl is None:
        raise Failure("python3", "its module `ssl` is missing", "run `apt-get install python3`")


def server_context(pair: bytes, trust: bytes | None, is_demanding: bool) -> Any:
    """Return the context of a service; with `trust` it verifies who shows a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, pair)
    if trust is not None:
        context.load_verify_locations(cadata=trust.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED if is_demanding else ssl.CERT_OPTIONAL
    return context


def client_context(pair: bytes | None, trust: bytes | None, has_name: bool) -> Any:
    """Return the context of a client; without `trust` the system's authorities count.

    Without a name nothing is verified: such a client knows the certificate itself.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not has_name:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif trust is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=trust.decode("ascii"))
    if pair is not None:
        _load(context, pair)
    return context


def fault_of(error: Exception) -> tuple[int, str]:
    """Return OpenSSL's verification code, 0 where it is another fault, and its words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_code, error.verify_message
    if isinstance(error, (ssl.SSLEOFError, ConnectionError)):
        return 0, "the other side hung up"
    if isinstance(error, ssl.SSLError):
        return 0, (error.reason or str(error)).lower().replace("_", " ")
    return 0, str(error)


def _load(context: Any, pair: bytes) -> None:
    memory = os.memfd_create("pair")
    try:
        os.write(memory, pair)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
