"""Listen for a while on the ports of services that are not there yet, with their certificates.

The listener goes with its deadline, with the agent's stdin or by `end_listening`, whichever is
first: nothing stays after a controller that was killed.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from _thread import start_new_thread
from signal import alarm

from installer.engine.node.tls import demand_tls, fault_of, server_context

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_BACKLOG = 128
_PATIENCE_S = 5.0
_CHUNK = 65536
_TLS_FIRST_BYTE = b"\x16"
_HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL | 0x2000  # POLLRDHUP
_WHY = {errno.EADDRINUSE: "taken", errno.EADDRNOTAVAIL: "no such address"}


def main(request: dict[str, Any]) -> dict[int, str]:
    """Return "open", or why not, for each port; what is open is served by a process of its own."""
    demand_tls()
    control = control_socket()
    control.bind(control_name(request["token"]))
    control.listen()
    states: dict[int, str] = {}
    served = []
    for wish in request["ports"]:
        try:
            opened = _open(wish["bind"], wish["port"])
        except OSError as error:
            states[wish["port"]] = _WHY.get(error.errno or 0, str(error))
            continue
        states[wish["port"]] = "open"
        served.append((opened, _context(wish, request["pems"])))
    if os.fork() == 0:
        _serve(control, served, request["deadline_s"])
    return states


def control_socket() -> socket.socket:
    """Return a socket by which the listener is ended."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def control_name(token: str) -> str:
    """Return the control socket's name; it has no file, and goes with its process."""
    return f"\0cfy_manager-listen-{token}"


def _open(bind: str, port: int) -> socket.socket:
    """Open a port as the service will: on one address, or on all of both families."""
    if bind:
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        return _listening(family, bind, port)
    if socket.has_dualstack_ipv6():
        return _listening(socket.AF_INET6, "::", port)
    return _listening(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 - the service does too


def _listening(family: int, address: str, port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        opened.bind((address, port))
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _context(wish: dict[str, Any], pems: list[bytes]) -> Any:
    if wish["pair"] is None:
        return None
    trust = None if wish["trust"] is None else pems[wish["trust"]]
    return server_context(pems[wish["pair"]], trust, wish["is_demanding"])


def _serve(control: socket.socket, served: list[Any], deadline_s: float) -> None:
    """Serve in this child until told to end; never returns."""
    try:
        alarm(int(deadline_s) + 1)  # whatever happens, this ends the process
        _let_go_of_output()
        refusals: list[tuple[Any, ...]] = []
        asked = _await_end(control, served, time.monotonic() + deadline_s, refusals)
        if asked is not None:
            asked.sendall(repr(refusals).encode())
    finally:
        os._exit(0)


def _let_go_of_output() -> None:
    """Leave the agent's stdout, which its connection waits for, and keep its stdin to watch."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)


def _await_end(
    control: socket.socket, served: list[Any], deadline: float, refusals: list[Any]
) -> socket.socket | None:
    """Serve until the deadline, the end of stdin, or a word on the control socket: return that."""
    watch = select.poll()
    watch.register(0, _HUNG_UP)
    watch.register(control, select.POLLIN)
    by_descriptor = {opened.fileno(): (opened, context) for opened, context in served}
    for descriptor in by_descriptor:
        watch.register(descriptor, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in watch.poll(left * 1000):
            if descriptor == 0:
                return None
            if descriptor == control.fileno():
                return control.accept()[0]
            opened, context = by_descriptor[descriptor]
            start_new_thread(_answer, (opened, context, refusals))
    return None


def _answer(opened: socket.socket, context: Any, refusals: list[Any]) -> None:
    """Serve one connection; who hangs up early has what it wanted."""
    opened.setblocking(False)
    try:
        stream, peer = opened.accept()
    except OSError:
        return
    stream.settimeout(_PATIENCE_S)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if context is not None and stream.recv(1, socket.MSG_PEEK) == _TLS_FIRST_BYTE:
            stream = context.wrap_socket(stream, server_side=True, do_handshake_on_connect=False)
            _shake_hands(stream, peer, refusals)
        _converse(stream)
    except OSError:
        return
    finally:
        stream.close()


def _shake_hands(stream: Any, peer: Any, refusals: list[Any]) -> None:
    """Greet a client; one that is refused is noted, and has the time to read why."""
    try:
        stream.do_handshake()
    except OSError as error:
        address = peer[0].removeprefix("::ffff:")  # of a socket for both families
        refusals.append((address, peer[1], *fault_of(error)))
        stream.shutdown(socket.SHUT_WR)
        while socket.socket.recv(stream, _CHUNK):
            pass
        raise


def _converse(stream: Any) -> None:
    """Do what each letter asks: p pings; u takes so many bytes up; d sends so many down."""
    while letter := stream.recv(1):
        size = 0 if letter == b"p" else int.from_bytes(_exactly(stream, 4), "big")
        if letter == b"u":
            _exactly(stream, size)
        if letter == b"d":
            stream.sendall(bytes(size))
        else:
            stream.sendall(letter)


def _exactly(stream: Any, size: int) -> bytes:
    found = b""
    while len(found) < size:
        chunk = stream.recv(min(_CHUNK, size - len(found)))
        if not chunk:
            raise ConnectionError("it hung up")
        found += chunk
    return found
