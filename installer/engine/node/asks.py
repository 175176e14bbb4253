"""Ask the services on a node, or beside it, and hand back what they say: no service's own tools.

An Erlang or Python tool of a service costs a second of processor time, a request milliseconds.
Bodies go back as they came: the engine's end has time to understand them.
"""

from __future__ import annotations

import socket

from installer.engine.node.tls import demand_tls, ssl

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_MOST_BYTES = 4_000_000


def tls_context(files: dict[str, str]) -> Any:
    """Return the context of a client that shows the certificate of `files`."""
    demand_tls()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=files["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    return context


def get(ask: dict[str, Any], context: Any, timeout_s: float) -> tuple[int, str]:
    """Return status and body of a GET of HTTP/1.0: the body ends with the connection."""
    with socket.create_connection((ask["host"], ask["port"]), timeout_s) as plain:
        if not ask.get("tls"):
            return _exchange(plain, ask)
        with context.wrap_socket(plain, server_hostname=ask.get("name") or ask["host"]) as secure:
            return _exchange(secure, ask)


def _exchange(connection: Any, ask: dict[str, Any]) -> tuple[int, str]:
    headers = {"Host": ask.get("name") or "localhost", **ask.get("headers", {})}
    lines = [f"GET {ask['path']} HTTP/1.0", *(f"{key}: {value}" for key, value in headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    head, _, body = _until_end(connection).partition(b"\r\n\r\n")
    status = head.split(None, 2)[1:2]
    if not status:
        raise ConnectionError("it hung up without an answer")
    return int(status[0]), body.decode("utf-8", "replace")


def say_to_socket(path: str, words: str, timeout_s: float) -> str:
    """Return what answers to words on a UNIX socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(path)
        connection.sendall(words.encode())
        return _until_end(connection).decode("utf-8", "replace")


def _until_end(connection: Any) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < _MOST_BYTES:
        try:
            part = connection.recv(65536)
        except OSError as error:  # some end TLS without saying so
            if parts and isinstance(error, ssl.SSLError) and not isinstance(error, TimeoutError):
                break
            raise
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def holds_address(address: str) -> bool:
    """Tell whether this host has an address: only then a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
