"""One node's connection through pyinfra: opened, used by agents on the node, really closed."""

import logging
import os
import socket
from typing import Any

import gevent
import paramiko
from gevent.lock import RLock
from paramiko.ssh_exception import SSHException
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from installer.engine.agent import Agent, AgentGone, LocalStream, Request
from installer.engine.ssh_stream import SshStream
from installer.engine.target import Target
from installer.engine.wire import EXIT, MARK, command
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
    """A node's connection; a request that fails in transit closes it, the next one reopens it."""

    def __init__(self, target: Target, host: Host) -> None:
        self.target = target
        self._host = host
        self._is_ended = False
        self._idle: list[Agent] = []
        self._opening = RLock()  # phases work side by side, and either may have to reconnect
        self._needs_sudo = (os.geteuid() != 0) if target.is_local else target.user != "root"

    def open(self) -> None:
        """Log in, unless that is done. Raises NodeUnreachable with what to do about it."""
        if self._is_ended:  # whatever is still under way in other phases ends here
            raise NodeUnreachable(self._problem("the run was ended"))
        with self._opening:
            if self._host.connected and self._is_cut:
                self.close()
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

    def execute(self, request: Request) -> tuple[list[str], list[str]]:
        """Have the node's agent answer a request, and return what it said and what else was said.

        Raises NodeUnreachable when cut off.
        """
        self.open()
        limit_s = request.limit_s + _MARGIN_S
        try:
            with gevent.Timeout(limit_s):
                agent, lines = self._ask(request)
        except gevent.Timeout as error:
            self.close()
            what = f"the host did not answer within {limit_s:.0f} s"
            raise NodeUnreachable(self._problem(what)) from error
        except (PyinfraError, SSHException, OSError, EOFError) as error:
            self.close()
            what = f"the connection broke: {error or type(error).__name__}"
            raise NodeUnreachable(self._problem(what)) from error
        self._idle.append(agent)
        return lines, [line for line in lines if not line.startswith((MARK, EXIT))]

    def _ask(self, request: Request) -> tuple[Agent, list[str]]:
        """Ask an agent, and the next one when it turns out that somebody has killed the first."""
        while True:
            agent = self._idle_agent()
            try:
                return agent, agent.ask(request)
            except AgentGone:
                logger.debug("%s: an agent was gone", self.target.name)
                agent.close()

    def _idle_agent(self) -> Agent:
        """Return an agent that nobody uses: phases work on a node side by side."""
        while self._idle:
            agent = self._idle.pop()
            if agent.is_alive:
                return agent
            agent.close()
        line = command(sudo=self._needs_sudo)
        logger.debug("%s: starting an agent: %s", self.target.name, line)
        if self.target.is_local:
            return Agent(LocalStream(line))
        client = self._client()
        if client is None or (transport := client.get_transport()) is None:
            raise EOFError("it was closed meanwhile")
        return Agent(SshStream(transport, line, _CHANNEL_S))

    @property
    def _is_cut(self) -> bool:
        """Tell whether the connection ended by itself; an agent's silence alone does not say so."""
        if self.target.is_local:
            return False
        client = self._client()
        transport = client.get_transport() if client else None
        return transport is None or not transport.is_active()

    def _client(self) -> paramiko.SSHClient | None:
        return getattr(self._host.connector, "client", None)

    def end(self) -> None:
        """Close the connection for good; the next command fails at once."""
        self._is_ended = True
        self.close()

    def close(self) -> None:
        """Close the connection; pyinfra's own disconnect leaves it open."""
        while self._idle:
            self._idle.pop().close()
        client = self._client()
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
