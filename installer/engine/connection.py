"""One node's connection through pyinfra: opened, used for one command at a time, really closed."""

import logging
import os
import socket
from typing import Any

import gevent
import paramiko
from gevent.lock import RLock
from paramiko.ssh_exception import SSHException
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from installer.engine.target import Target
from installer.errors import NodeUnreachable, Problem

logger = logging.getLogger(__name__)

CONNECT_S = 10
_KEEPALIVE_S = 15
_DEAD_AFTER_MS = 30_000  # unacknowledged data for this long ends the connection
_CHANNEL_S = 15  # paramiko waits an hour for a hung host by default
_CLOSE_S = 5
_MARGIN_S = 10  # for the node's own deadline to act before ours


def ssh_data(target: Target) -> dict[str, Any]:
    """Return pyinfra's connector data for a target: its own key, pinned host keys, no surprises."""
    data: dict[str, Any] = {
        "ssh_hostname": target.address,
        "ssh_port": target.port,
        "ssh_user": target.user,
        "ssh_config_file": os.devnull,
        "ssh_strict_host_key_checking": "yes",  # accept-new forgets what it accepted
        "ssh_allow_agent": target.private_key is None,
        "ssh_look_for_keys": target.private_key is None,
        "ssh_paramiko_connect_kwargs": {
            "transport_factory": _transport,
            "channel_timeout": _CHANNEL_S,
            "banner_timeout": CONNECT_S,
            "auth_timeout": CONNECT_S,
        },
    }
    if target.private_key is not None:
        data["ssh_key"] = target.private_key
    if target.known_hosts is not None:
        data["ssh_known_hosts_file"] = target.known_hosts
    return data


def _transport(sock: socket.socket, **options: Any) -> paramiko.Transport:
    """Return a transport without Nagle's delay (40 ms a command) that notices a dead peer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)
    transport = paramiko.Transport(sock, **options)
    transport.set_keepalive(_KEEPALIVE_S)
    return transport


class Connection:
    """A node's connection; a command that fails in transit closes it, the next one reopens it."""

    def __init__(self, target: Target, host: Host) -> None:
        self.target = target
        self._host = host
        self._is_ended = False
        self._opening = RLock()  # phases work side by side, and either may have to reconnect
        self._needs_sudo = (os.geteuid() != 0) if target.is_local else target.user != "root"

    @property
    def needs_sudo(self) -> bool:
        """Tell whether commands need sudo to be root."""
        return self._needs_sudo

    def open(self) -> None:
        """Log in, unless that is done. Raises NodeUnreachable with what to do about it."""
        if self._is_ended:  # whatever is still under way in other phases ends here
            raise NodeUnreachable(self._problem("the run was ended"))
        with self._opening:
            if not self._host.connected:
                self._log_in()

    def _log_in(self) -> None:
        try:
            with gevent.Timeout(3 * CONNECT_S):
                self._host.connect(show_errors=False, raise_exceptions=True)
        except (PyinfraError, SSHException, OSError, EOFError, ValueError) as error:
            self.close()
            raise NodeUnreachable(self._login_problem(str(error))) from error
        except gevent.Timeout as error:
            self.close()
            raise NodeUnreachable(self._login_problem("no answer to the login in time")) from error

    def execute(self, line: str, stdin: str, timeout_s: float) -> tuple[list[str], list[str]]:
        """Run a shell line and return its output lines. Raises NodeUnreachable when cut off."""
        self.open()
        try:
            with gevent.Timeout(timeout_s + _MARGIN_S):
                whole, output = self._host.run_shell_command(StringCommand(line), _stdin=stdin)
        except gevent.Timeout as error:
            self.close()
            what = f"the host did not answer within {timeout_s + _MARGIN_S:.0f} s"
            raise NodeUnreachable(self._problem(what)) from error
        except (PyinfraError, SSHException, OSError, EOFError) as error:
            self.close()
            what = f"the connection broke: {error or type(error).__name__}"
            raise NodeUnreachable(self._problem(what)) from error
        if not whole:  # the line itself always exits 0
            self.close()
        return output.stdout_lines, output.stderr_lines

    def end(self) -> None:
        """Close the connection for good; the next command fails at once."""
        self._is_ended = True
        self.close()

    def close(self) -> None:
        """Close the connection; pyinfra's own disconnect leaves it open."""
        client = getattr(self._host.connector, "client", None)
        if self._host.connected:
            self._host.disconnect()
        if client is not None:
            with gevent.Timeout(_CLOSE_S, False):
                client.close()

    def _problem(self, what: str) -> Problem:
        place = self.target.address or "this machine"
        return Problem(
            where=self.target.name,
            what=what,
            remedy=f"check that {place} is up and reachable, then run again",
        )

    def _login_problem(self, what: str) -> Problem:
        target = self.target
        command = f"ssh -p {target.port} {target.user}@{target.address} true"
        remedy = f"`{command}` must work"
        if "Authentication" in what:
            remedy += f" with the key {target.private_key or 'of your agent'}"
        elif "known_hosts" in what or "host key" in what.lower():
            remedy = f"put the host's key into {target.known_hosts or '~/.ssh/known_hosts'}"
        return Problem(where=target.name, what=f"cannot log in: {what}", remedy=remedy)
