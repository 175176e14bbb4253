"""Try connections as the services of this node will make them, all at once; changes nothing.

What answers is a listener of `listen.py` (`trial`), or a service that runs already.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from threading import Thread

from installer.engine.node.tls import client_context, demand_tls, fault_of

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_WHY = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "no route",
    errno.ENETUNREACH: "no route",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
    errno.ECONNRESET: "reset",
}
_SSL_REQUEST = struct.pack("!II", 8, 80877103)  # PostgreSQL: Message Formats, SSLRequest
_SERVICE_PAUSE_S = 0.15  # a service that refuses our certificate says so within this time
_RTT_AT, _MIN_RTT_AT, _INFO_SIZE = 68, 148, 152  # struct tcp_info, linux/tcp.h


class Stop(Exception):
    """The first thing that went wrong: at which stage, why, and the words of it."""

    def __init__(self, stage: str, why: str, words: str = "", code: int = 0) -> None:
        super().__init__(why)
        self.told: dict[str, Any] = {"stage": stage, "why": why, "words": words, "code": code}


def main(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what came of each wish, in their order."""
    demand_tls()
    contexts: dict[Any, Any] = {}
    for wish in request["wishes"]:
        if wish["tls"] and _key(wish) not in contexts:
            contexts[_key(wish)] = _context(wish["tls"], request["pems"])
    # what a name server that is down leaves without an answer stays so
    found = [Stop("name", "silence", "no answer in time").told for _ in request["wishes"]]

    def attempt(number: int, wish: dict[str, Any]) -> None:
        found[number] = _attempt(wish, contexts.get(_key(wish)), request)

    threads = [
        Thread(target=attempt, args=entry, daemon=True) for entry in enumerate(request["wishes"])
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + request["total_s"]
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return list(found)


def _key(wish: dict[str, Any]) -> Any:
    tls = wish["tls"]
    return tls and (tls["pair"], tls["trust"], tls["name"] is not None)


def _context(tls: dict[str, Any], pems: list[bytes]) -> Any:
    pair, trust = (None if tls[key] is None else pems[tls[key]] for key in ("pair", "trust"))
    return client_context(pair, trust, tls["name"] is not None)


def _attempt(wish: dict[str, Any], context: Any, limits: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"stage": "", "why": "", "words": "", "code": 0}
    stream: Any = None
    try:
        stream = _connected(wish, limits["connect_s"])
        found["own"] = stream.getsockname()[:2]
        stream.settimeout(limits["answer_s"])
        if context is not None:
            stream = _secured(stream, wish, context)
        if wish["trial"]:
            found["first_byte_s"] = _ping(stream)
            found["rtt_s"] = _round_trip_s(stream)
            if wish["bulk"]:
                found["bulk"] = _bulk(stream, limits)
        else:
            _await_refusal(stream)
            found["rtt_s"] = _round_trip_s(stream)
    except Stop as stop:
        found |= stop.told
    finally:
        if stream is not None:
            stream.close()
    if wish["trial"] and found["why"] == "silence" and found["stage"] == "tls":
        found["bulk"] = _plain_bulk(wish, limits)
    return found


def _connected(wish: dict[str, Any], timeout_s: float) -> Any:
    """Connect to the first address of a name that answers."""
    try:
        answers = socket.getaddrinfo(wish["address"], wish["port"], type=socket.SOCK_STREAM)
    except OSError as error:
        raise Stop("name", "no address", str(error.strerror)) from error
    last: Stop | None = None
    for family, kind, protocol, _, address in answers:
        stream = socket.socket(family, kind, protocol)
        try:
            _connect(stream, address, timeout_s)
        except Stop as stop:
            stream.close()
            last = stop
        else:
            return stream
    raise last or Stop("name", "no address")


def _connect(stream: Any, address: Any, timeout_s: float) -> None:
    try:
        stream.settimeout(timeout_s)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.connect(address)
    except TimeoutError as error:
        raise Stop("connect", "silence", f"no answer within {timeout_s:g} s") from error
    except OSError as error:
        why = _WHY.get(error.errno or 0, "failed")
        raise Stop("connect", why, os.strerror(error.errno or 0)) from error


def _secured(stream: Any, wish: dict[str, Any], context: Any) -> Any:
    try:
        if wish["start"] == "postgresql" and not wish["trial"]:
            _ask_postgresql(stream)
        return context.wrap_socket(stream, server_hostname=wish["tls"]["name"])
    except TimeoutError as error:
        stream.close()
        raise Stop("tls", "silence", "the handshake stalled") from error
    except OSError as error:
        stream.close()
        code, words = fault_of(error)
        raise Stop("tls", "fault", words, code) from error


def _ask_postgresql(stream: Any) -> None:
    stream.sendall(_SSL_REQUEST)
    answer = stream.recv(1)
    if answer != b"S":
        stream.close()
        words = "the server offers no TLS" if answer == b"N" else "no PostgreSQL answers there"
        raise Stop("tls", "fault", words)


def _ping(stream: Any) -> float:
    """Return the seconds to the first byte; a refused certificate shows here in TLS 1.3."""
    began = time.monotonic()
    try:
        stream.sendall(b"p")
        answer = stream.recv(1)
    except TimeoutError as error:
        raise Stop("tls", "silence", "no byte came back") from error
    except OSError as error:
        code, words = fault_of(error)
        raise Stop("tls", "fault", words, code) from error
    if answer != b"p":
        raise Stop("tls", "fault", "the other side hung up")
    return time.monotonic() - began


def _await_refusal(stream: Any) -> None:
    """Wait a moment for a service to refuse us; one that is content is silent, or greets."""
    stream.settimeout(_SERVICE_PAUSE_S)
    try:
        answer = stream.recv(1)
    except TimeoutError:
        return
    except OSError as error:
        code, words = fault_of(error)
        raise Stop("tls", "fault", words, code) from error
    if not answer:
        raise Stop("tls", "fault", "the other side hung up")


def _bulk(stream: Any, limits: dict[str, Any]) -> dict[str, Any]:
    """Send more than a packet each way; return seconds and bytes that arrived, for each."""
    size, stream_limit = limits["bulk_bytes"], limits["bulk_s"]
    found = {"up": _up(stream, size, stream_limit)}
    if found["up"][1] == size:
        found["down"] = _down(stream, size, stream_limit)
    return found


def _plain_bulk(wish: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """Tell whether it is the size of packets that stops a handshake: ask without TLS."""
    try:
        with _connected(wish, limits["connect_s"]) as stream:
            stream.settimeout(limits["answer_s"])
            _ping(stream)
            found = {"up": _up(stream, limits["bulk_bytes"], limits["bulk_s"])}
        with _connected(wish, limits["connect_s"]) as stream:
            return found | {"down": _down(stream, limits["bulk_bytes"], limits["bulk_s"])}
    except Stop:
        return {}


def _up(stream: Any, size: int, limit_s: float) -> tuple[float, int]:
    began, before = time.monotonic(), _acknowledged(stream)
    stream.settimeout(limit_s)
    try:
        stream.sendall(b"u" + size.to_bytes(4, "big") + bytes(size))
        stream.recv(1)
    except OSError:
        return time.monotonic() - began, _acknowledged(stream) - before
    return time.monotonic() - began, size


def _down(stream: Any, size: int, limit_s: float) -> tuple[float, int]:
    began, got = time.monotonic(), 0
    try:
        stream.sendall(b"d" + size.to_bytes(4, "big"))
        while got < size and (left := began + limit_s - time.monotonic()) > 0:
            stream.settimeout(left)
            chunk = stream.recv(min(65536, size - got))
            if not chunk:
                break
            got += len(chunk)
    except OSError:
        return time.monotonic() - began, got
    return time.monotonic() - began, got


def _acknowledged(stream: Any) -> int:
    """Return how many bytes the other side has acknowledged."""
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
    return int(struct.unpack_from("=Q", info, 120)[0])


def _round_trip_s(stream: Any) -> float:
    """Return the shortest round trip that the kernel has seen: no busy process blurs it."""
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
    usual, shortest = (struct.unpack_from("=I", info, at)[0] for at in (_RTT_AT, _MIN_RTT_AT))
    return float(min(usual, shortest)) / 1e6
