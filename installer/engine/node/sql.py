"""Ask PostgreSQL on this node one question as its superuser, over its UNIX socket, without psql."""

from __future__ import annotations

import os
import pwd
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from collections.abc import Iterator

SOCKET = "/var/run/postgresql/.s.PGSQL.5432"
_USER = "postgres"
_PROTOCOL = 196608  # version 3.0, docs "Message Formats", StartupMessage


def connect(timeout_s: float) -> socket.socket:
    """Return a connection that PostgreSQL takes for its administrator's: it asks the kernel who.

    Not for a moment in which another thread needs root's rights.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout_s)
    mine, theirs = os.geteuid(), pwd.getpwnam(_USER).pw_uid
    os.seteuid(theirs)
    try:
        connection.connect(SOCKET)
    except BaseException:
        connection.close()
        raise
    finally:
        os.seteuid(mine)
    return connection


def ask(connection: socket.socket, database: str, question: str) -> str:
    """Return the one value that answers a question, as text; nothing where there is no row."""
    words = ("user", _USER, "database", database, "application_name", "cfy_manager", "")
    start = struct.pack("!i", _PROTOCOL) + b"".join(word.encode() + b"\0" for word in words)
    with connection:
        connection.sendall(struct.pack("!i", len(start) + 4) + start)
        asked, value = question.encode() + b"\0", ""
        for kind, body in _messages(connection):
            if kind == b"E":
                raise ConnectionError(_words_of(body))
            if kind == b"R" and struct.unpack("!i", body[:4])[0] != 0:
                raise ConnectionError("PostgreSQL asks its own administrator for a password")
            if kind == b"D":
                value = _first_value(body)
            if kind == b"Z":  # ready for a query
                if not asked:
                    return value
                connection.sendall(b"Q" + struct.pack("!i", len(asked) + 4) + asked)
                asked = b""
    return value


def _messages(connection: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    with connection.makefile("rb") as stream:
        while head := stream.read(5):
            kind, size = head[:1], struct.unpack("!i", head[1:])[0]
            yield kind, stream.read(size - 4)
    raise ConnectionError("PostgreSQL hung up")


def _first_value(row: bytes) -> str:
    count, size = struct.unpack("!hi", row[:6])
    return row[6 : 6 + size].decode() if count and size >= 0 else ""


def _words_of(error: bytes) -> str:
    fields = {part[:1]: part[1:] for part in error.split(b"\0") if part}
    return fields.get(b"M", b"an error without words").decode("utf-8", "replace")
