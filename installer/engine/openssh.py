"""Reach an agent by OpenSSH's client: a tenth of the processor time of a login in Python.

For commands that only look, once, at many nodes; runs use `installer.engine.connection`.
"""

import os
import shlex
import shutil

from installer.engine.agent import Agent, LocalStream
from installer.engine.target import Target
from installer.engine.wire import command
from installer.errors import InstallerError, Problem

CONNECT_S = 2  # OpenSSH knows whole seconds


def ssh_line(target: Target) -> str:
    """Return the shell line of a login that runs an agent."""
    remote = f"sh -c {shlex.quote(command(sudo=target.user != 'root'))}"
    return f"exec {shlex.join([*login_words(target, '-T'), remote])}"


def login_words(target: Target, terminal: str) -> list[str]:
    """Return the words of a login, to which a command is added; nothing of ~/.ssh/config counts.

    `terminal` is ssh's own option: -T for none, -tt for one.
    """
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_S),
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
        "GSSAPIAuthentication": "no",
        # Its key costs the client 80 ms of processor time; newer clients and hosts have ML-KEM
        "KexAlgorithms": "-sntrup761*",
    }
    if target.known_hosts is not None:
        options["UserKnownHostsFile"] = target.known_hosts
    words = ["ssh", "-F", os.devnull, terminal, "-p", str(target.port), "-l", target.user]
    if target.private_key is not None:
        options["IdentitiesOnly"] = "yes"
        words += ["-i", target.private_key]
    words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return [*words, "--", target.address or "localhost"]


def local_line() -> str:
    """Return the shell line that runs an agent on this machine, as root."""
    return f"exec {command(sudo=os.geteuid() != 0)}"


def open_stream(target: Target) -> LocalStream:
    """Return the stream of a new agent's process; the login goes on beside the caller."""
    return LocalStream(local_line() if target.is_local else ssh_line(target))


def open_agent(stream: LocalStream) -> Agent:
    """Return the agent at the end of a stream."""
    return Agent(stream)


def demand_client() -> None:
    """Raise InstallerError where OpenSSH's client is missing."""
    if shutil.which("ssh") is None:
        what = "OpenSSH's client is missing"
        raise InstallerError(
            Problem(where="ssh", what=what, remedy="run `apt-get install openssh-client`")
        )
