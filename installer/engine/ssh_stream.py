"""A command on an open SSH connection of pyinfra's library, as an agent's stream."""

import shlex
from collections.abc import Iterator

import paramiko

_CHUNK = 65536


class SshStream:
    """A command on an open SSH connection."""

    def __init__(self, transport: paramiko.Transport, line: str, timeout_s: float) -> None:
        self._channel = transport.open_session(timeout=timeout_s)
        self._channel.set_combine_stderr(True)
        self._channel.exec_command(f"sh -c {shlex.quote(line)}")

    @property
    def is_open(self) -> bool:
        """Tell whether the command runs."""
        return not (self._channel.closed or self._channel.exit_status_ready())

    def send(self, text: str) -> None:
        """Write to its stdin."""
        self._channel.sendall(text.encode())

    def lines(self) -> Iterator[str]:
        """Yield its output until it ends."""
        rest = b""
        while chunk := self._channel.recv(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
        if rest:
            yield rest.decode("utf-8", "replace")

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
