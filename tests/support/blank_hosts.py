"""Machines that are bought anew: the same names and addresses, and nothing of before."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from installer.sandbox import faults, lifecycle, record, ssh
from installer.sandbox.disk import DEFAULT_SIZE_GB, make_disk
from installer.sandbox.keeper import run_inside, seen_by
from installer.sandbox.personal import personalise
from installer.sandbox.plan import HostPlan
from installer.sandbox.process import ProcessId
from installer.sandbox.record import FaultKind, Record


def put_blank_hosts(sandbox: str, names: Sequence[str]) -> None:
    """Cut the power of hosts and boot blank ones in their place: other disks, other host keys."""
    for name in names:
        faults.fail(sandbox, faults.Wish(kind=FaultKind.POWER_OFF, hosts=(name,)))
    made = record.load(sandbox)
    holder = lifecycle.holder_of(made)
    keys = [_blank(made, holder, made.host(name)) for name in names]
    _know(ssh.known_hosts(record.ssh_dir(sandbox)), dict(zip(names, keys, strict=True)))
    faults.heal(sandbox)


def _blank(made: Record, holder: ProcessId, host: HostPlan) -> str:
    """Give a host that is off a new disk; return its new public key."""
    folder = record.host_dir(made.name, host.name)
    for layer in ("root", "disk"):
        run_inside(holder, ["umount", str(folder / layer)])
    shutil.rmtree(folder)
    make_disk(holder, folder, Path(made.image), DEFAULT_SIZE_GB)
    client_key = ssh.private_key(record.ssh_dir(made.name)).with_suffix(".pub").read_text()
    return personalise(seen_by(holder, folder / "root"), made.plan, host, client_key)


def _know(path: Path, keys: dict[str, str]) -> None:
    lines = [line.split(maxsplit=1) for line in path.read_text().splitlines()]
    fresh = {
        names: " ".join(keys[name].split()[:2])
        if (name := names.partition(",")[0]) in keys
        else key
        for names, key in lines
    }
    path.write_text("".join(f"{names} {key}\n" for names, key in fresh.items()))
