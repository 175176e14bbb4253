"""One way to another node: connect, agree on TLS, and see what passes; the first fault is told."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time

from installer.engine.node.tls import fault_of

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
_RTT_AT, _MIN_RTT_AT, _INFO_SIZE = 68, 148, 152  # struct tcp_info, linux/tcp.h


class Stop(Exception):
    """The first thing that went wrong: at which stage, why, and the words of it."""

    def __init__(self, stage: str, why: str, words: str = "", code: int = 0) -> None:
        super().__init__(why)
        self.told: dict[str, Any] = {"stage": stage, "why": why, "words": words, "code": code}


def resolved(wish: dict[str, Any]) -> list[Any]:
    """Return where a wish leads, as this node knows it."""
    try:
        return socket.getaddrinfo(wish["address"], wish["port"], type=socket.SOCK_STREAM)
    except OSError as error:
        raise Stop("name", "no address", str(error.strerror)) from error


def connected(answers: list[Any], timeout_s: float) -> Any:
    """Connect to the first address of a name that answers."""
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


def secured(stream: Any, wish: dict[str, Any], context: Any) -> Any:
    """Return the stream with TLS on it."""
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


def ping(stream: Any) -> float:
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


def await_refusal(stream: Any, pause_s: float) -> None:
    """Wait a moment for a service to refuse us; one that is content is silent, or greets."""
    stream.settimeout(pause_s)
    try:
        answer = stream.recv(1)
    except TimeoutError:
        return
    except OSError as error:
        code, words = fault_of(error)
        raise Stop("tls", "fault", words, code) from error
    if not answer:
        raise Stop("tls", "fault", "the other side hung up")


def bulk(stream: Any, size: int, limit_s: float) -> dict[str, Any]:
    """Send more than a packet each way; return (seconds, bytes that arrived, whether all)."""
    found = {"up": send_up(stream, size, limit_s)}
    if found["up"][2]:
        found["down"] = send_down(stream, size, limit_s)
    return found


def plain_bulk(wish: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """Tell what it is that does not come through, once the others are quiet: without TLS."""
    bulk: dict[str, Any] = {}
    found: dict[str, Any] = {"bulk": bulk}
    try:
        answers = resolved(wish)
        for way, send in (("up", send_up), ("down", send_down)):
            with connected(answers, limits["connect_s"]) as stream:
                stream.settimeout(limits["answer_s"])
                ping(stream)
                found.setdefault("rtt_s", round_trip_s(stream))
                bulk[way] = send(stream, limits["again_bytes"], limits["again_s"])
                hang_up(stream)
    except Stop:
        return found
    return found


def hang_up(stream: Any) -> None:
    """Close a stream at once: what is not sent yet would keep a slow cable busy."""
    if stream.fileno() < 0:  # it is closed
        return
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def send_up(stream: Any, size: int, limit_s: float) -> tuple[float, int, bool]:
    """Send data; return the seconds, how many bytes arrived, and whether all did."""
    began, before = time.monotonic(), _acknowledged(stream)
    stream.settimeout(limit_s)
    try:
        stream.sendall(b"u" + size.to_bytes(4, "big") + bytes(size))
        is_whole = stream.recv(1) == b"u"
    except OSError:
        is_whole = False
    arrived = size if is_whole else _acknowledged(stream) - before
    return time.monotonic() - began, arrived, is_whole


def send_down(stream: Any, size: int, limit_s: float) -> tuple[float, int, bool]:
    """Ask for data; return the seconds, how many bytes arrived, and whether all did."""
    began, got = time.monotonic(), 0
    try:
        stream.sendall(b"d" + size.to_bytes(4, "big"))
        while got < size and (left := began + limit_s - time.monotonic()) > 0:
            stream.settimeout(left)
            chunk = stream.recv(min(65536, size - got))
            if not chunk:
                break
            got += len(chunk)
    except OSError:  # what came until then is the answer
        pass
    return time.monotonic() - began, got, got == size


def _acknowledged(stream: Any) -> int:
    """Return how many bytes the other side has acknowledged."""
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
    return int(struct.unpack_from("=Q", info, 120)[0])


def round_trip_s(stream: Any) -> float:
    """Return the shortest round trip that the kernel has seen: no busy process blurs it."""
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
    usual, shortest = (struct.unpack_from("=I", info, at)[0] for at in (_RTT_AT, _MIN_RTT_AT))
    return float(min(usual, shortest)) / 1e6
