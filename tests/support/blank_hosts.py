"""Machines that are bought anew: other disks, host keys and addresses, and nothing of before."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from installer.sandbox import faults, lifecycle, links, record, ssh
from installer.sandbox.disk import DEFAULT_SIZE_GB, make_disk
from installer.sandbox.keeper import run_inside, seen_by
from installer.sandbox.personal import personalise
from installer.sandbox.plan import HostPlan, Plan
from installer.sandbox.process import ProcessId
from installer.sandbox.record import FaultKind, Record


def put_blank_hosts(sandbox: str, lost: Sequence[str], bought: Mapping[str, str]) -> None:
    """Cut the power of hosts for good, and boot blank ones by name and address.

    A name or an address may be one of the lost.
    """
    for name in lost:
        faults.fail(sandbox, faults.Wish(kind=FaultKind.POWER_OFF, hosts=(name,)))
    with record.locked(sandbox):
        made = record.load(sandbox)
        for name in lost:
            _take_away(made, made.host(name))
        hosts = _planned(made, made.host(lost[0]), bought)
        made = _without(made, lost, hosts)
        record.save(made)
        holder = lifecycle.holder_of(made)
        links.apply_rules(holder, made)
        keys = {host.name: _blank(made, holder, host) for host in hosts}
        _know(ssh.known_hosts(record.ssh_dir(sandbox)), lost, Plan((), hosts), keys)
        lifecycle.boot_hosts(made, hosts)


def _take_away(made: Record, host: HostPlan) -> None:
    """Unplug a host that is off, and throw its disk away."""
    holder, folder = lifecycle.holder_of(made), record.host_dir(made.name, host.name)
    for card in host.interfaces:
        run_inside(holder, ["ip", "link", "delete", host.port(card)])
    for mounted in (record.namespace_of(made.name, host.name), folder / "root", folder / "disk"):
        run_inside(holder, ["umount", str(mounted)])
    shutil.rmtree(folder)


def _planned(made: Record, like: HostPlan, bought: Mapping[str, str]) -> tuple[HostPlan, ...]:
    """Return hosts with a card like another's."""
    (card,) = like.interfaces
    prefix = card.addresses[0].partition("/")[2]
    first = 1 + max(host.number for host in made.plan.hosts)
    return tuple(
        HostPlan(name, number, (replace(card, addresses=(f"{address}/{prefix}",)),))
        for number, (name, address) in enumerate(bought.items(), start=first)
    )


def _without(made: Record, lost: Sequence[str], bought: tuple[HostPlan, ...]) -> Record:
    stay = tuple(host for host in made.plan.hosts if host.name not in lost)
    return replace(
        made,
        plan=replace(made.plan, hosts=(*stay, *bought)),
        supervisors={name: one for name, one in made.supervisors.items() if name not in lost},
        faults=tuple(fault for fault in made.faults if not set(lost) & set(fault.hosts)),
    )


def _blank(made: Record, holder: ProcessId, host: HostPlan) -> str:
    """Give a host a disk and return its public key."""
    folder = record.host_dir(made.name, host.name)
    make_disk(holder, folder, Path(made.image), DEFAULT_SIZE_GB)
    client_key = ssh.private_key(record.ssh_dir(made.name)).with_suffix(".pub").read_text()
    return personalise(seen_by(holder, folder / "root"), made.plan, host, client_key)


def _know(path: Path, lost: Sequence[str], plan: Plan, keys: dict[str, str]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    stay = [line for line in lines if line.partition(",")[0] not in lost]
    path.write_text("".join(stay) + ssh.known_hosts_text(plan, keys))
