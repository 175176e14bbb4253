"""How the controller reaches the hosts: a throw-away key, and host keys that are known before."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from installer.errors import NotHealthy, Problem
from installer.sandbox import await_ssh
from installer.sandbox.plan import HostPlan, Plan
from installer.sandbox.process import ProcessId, run


def make_client_key(folder: Path) -> str:
    """Make the sandbox's client key in its folder and return the public half."""
    folder.mkdir(mode=0o700)
    return _make_key(private_key(folder), "sandbox")


def make_host_key(etc_ssh: Path, name: str) -> str:
    """Make a host's key where its SSH daemon looks for it and return the public half."""
    return _make_key(etc_ssh / "ssh_host_ed25519_key", name)


def private_key(folder: Path) -> Path:
    """Return the path of the client key, for an inventory's `ssh.private_key`."""
    return folder / "id_ed25519"


def known_hosts(folder: Path) -> Path:
    """Return the path of the known hosts, for an inventory's `ssh.known_hosts`."""
    return folder / "known_hosts"


def known_hosts_text(plan: Plan, public_keys: dict[str, str]) -> str:
    """Return the known_hosts file: each host under its name and all its addresses."""
    return "".join(
        f"{','.join(_names(host))} {' '.join(public_keys[host.name].split()[:2])}\n"
        for host in plan.hosts
    )


def ssh_config_text(plan: Plan, folder: Path) -> str:
    """Return an ssh_config that knows every host by its name."""
    blocks = [
        f"Host {' '.join((host.name, *host.aliases))}\n  HostName {host.address}\n"
        for host in plan.hosts
    ]
    common = (
        "Host *\n"
        "  User root\n"
        f"  IdentityFile {private_key(folder)}\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {known_hosts(folder)}\n"
        "  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n"
        "  BatchMode yes\n"
    )
    return "".join([*blocks, common])


def wait_for_ssh(keeper: ProcessId, hosts: Iterable[HostPlan], timeout_s: float) -> None:
    """Return when every host's SSH greets; raises NotHealthy naming those that do not."""
    script = await_ssh.__file__
    done = subprocess.run(
        [
            *("nsenter", f"--target={keeper.pid}", "--net", "--"),
            *(sys.executable, "-IS", script, str(timeout_s)),
            *[host.address for host in hosts],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotHealthy(
            Problem(
                where="sandbox hosts",
                what=f"no SSH greeting within {timeout_s:.0f} s: {done.stdout or done.stderr}",
                remedy="read the console.log of these hosts in the sandbox's folder",
            )
        )


def _make_key(path: Path, comment: str) -> str:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return path.with_name(f"{path.name}.pub").read_text()


def _names(host: HostPlan) -> list[str]:
    addresses = [word.partition("/")[0] for card in host.interfaces for word in card.addresses]
    return [host.name, *host.aliases, *addresses]
