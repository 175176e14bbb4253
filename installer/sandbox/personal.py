"""What makes one host differ from the next: its name, its keys, its identity."""

import os
from pathlib import Path

from installer.sandbox import ssh
from installer.sandbox.image import LOGIN_USER
from installer.sandbox.plan import HostPlan, Plan

_LOCALHOST = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def personalise(root: Path, plan: Plan, host: HostPlan, client_key: str) -> str:
    """Write a host's own files into its root file system and return its public SSH key."""
    (root / "etc/hostname").write_text(f"{host.name}\n")
    (root / "etc/hosts").write_text(hosts_file(plan))
    (root / "etc/machine-id").write_text(f"{os.urandom(16).hex()}\n")
    for home in (root / "root", root / "home" / LOGIN_USER):
        _authorise(home, client_key)
    return ssh.make_host_key(root / "etc/ssh", host.name)


def hosts_file(plan: Plan) -> str:
    """Return the /etc/hosts that names every host of the sandbox."""
    lines = (" ".join((host.address, *host.aliases, host.name)) for host in plan.hosts)
    return _LOCALHOST + "".join(f"{line}\n" for line in lines)


def _authorise(home: Path, client_key: str) -> None:
    owner = home.stat()
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "authorized_keys").write_text(client_key)
    for path in (folder, folder / "authorized_keys"):
        os.chown(path, owner.st_uid, owner.st_gid)
