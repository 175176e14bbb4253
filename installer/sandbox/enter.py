"""Commands that run in a sandbox's network, or on one of its hosts."""

import subprocess
from collections.abc import Sequence

from installer.errors import NotHealthy, Problem
from installer.sandbox import guest, lifecycle, record

# $0 is a hosts file that names the sandbox's hosts; it hides the machine's for this command only
_WITH_NAMES = 'mount --bind "$0" /etc/hosts && exec "$@"'


def command_in(name: str, command: Sequence[str]) -> list[str]:
    """Return the command that runs another one on this machine, in the sandbox's network."""
    keeper = lifecycle.holder_of(record.load(name))
    hosts = lifecycle.ssh_dir(name) / "hosts"
    return [
        *("nsenter", f"--target={keeper.pid}", "--net", "--", "unshare", "--mount", "--"),
        *("sh", "-c", _WITH_NAMES, str(hosts), *command),
    ]


def command_on(name: str, host: str, command: Sequence[str]) -> list[str]:
    """Return the command that runs another one on a host, as root; works without a network."""
    made = record.load(name)
    leader = guest.leader_of(made.supervisors.get(made.host(host).name))
    if leader is None:
        raise NotHealthy(
            Problem(
                where=f"{name}/{host}",
                what="is off",
                remedy=f"run `cfy_manager sandbox heal {name} {host}`",
            )
        )
    return guest.enter_host(leader, command)


def run_in(name: str, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in the sandbox's network and return its result, whatever it is."""
    return _run(command_in(name, command), stdin)


def run_on(
    name: str, host: str, *command: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command on a host and return its result, whatever it is."""
    return _run(command_on(name, host, command), stdin)


def _run(argv: list[str], stdin: str | None) -> subprocess.CompletedProcess[str]:
    # an empty stdin unless text is given: a command on a host must not eat the terminal's
    return subprocess.run(argv, input=stdin or "", capture_output=True, text=True, check=False)
