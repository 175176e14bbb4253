"""Try a certificate as its readers will: a TLS handshake in memory, with OpenSSL's strict rules."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from installer.pki.authority import KeyPair, create_authority
from installer.pki.request import Usage


def handshake_fault(
    pair: KeyPair, trusted: bytes, host: str | None, usages: tuple[Usage, ...]
) -> str | None:
    """Return why OpenSSL refuses the certificate for these usages, or None.

    Python 3.13's clients, the status reporters among them, verify with VERIFY_X509_STRICT.
    """
    anyone = create_authority("anyone")  # stands in where the certificate is not on trial
    try:
        server = _server(pair if Usage.SERVER in usages else anyone)
        client = _client(trusted if Usage.SERVER in usages else None, host)
        if Usage.CLIENT in usages:
            _load(client, pair)
            _demand_client(server, trusted)
        _shake_hands(server, client, host)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        return error.reason or str(error)
    return None


def _server(pair: KeyPair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, pair)
    return context


def _client(trusted: bytes | None, host: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = trusted is not None and host is not None
    if trusted is None:
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_verify_locations(cadata=trusted.decode("ascii"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def _demand_client(server: ssl.SSLContext, trusted: bytes) -> None:
    server.load_verify_locations(cadata=trusted.decode("ascii"))
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_X509_STRICT


def _load(context: ssl.SSLContext, pair: KeyPair) -> None:
    with _memory_file(pair.certificate + pair.key) as path:
        context.load_cert_chain(path)


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """Give the content a path for OpenSSL without writing a key to a disk."""
    descriptor = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str | None) -> None:
    """Exchange messages until both sides are content; raises SSLError when one is not."""
    upwards, downwards = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(downwards, upwards, server_hostname=host),
        server.wrap_bio(upwards, downwards, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)
