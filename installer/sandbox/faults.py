"""Break hosts of a sandbox on purpose, and heal them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from installer.errors import PhaseFailed, PreflightError, Problem, Refused
from installer.sandbox import disk, guest, lifecycle, links, record, watch
from installer.sandbox.freeze import freeze, thaw
from installer.sandbox.plan import HostPlan
from installer.sandbox.record import Fault, FaultKind, Record

_OFF = (FaultKind.POWER_OFF, FaultKind.STOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The fault that is asked for: `detail` is a process, free space, or a link's discipline."""

    kind: FaultKind
    hosts: tuple[str, ...]
    detail: str = ""
    heal_after_s: float | None = None


def slow_link(rate_kbit: int | None, delay_ms: int | None) -> str:
    """Return the queueing discipline of a slow link. Source: tc-tbf(8), tc-netem(8)."""
    if delay_ms is None:
        return f"tbf rate {rate_kbit}kbit burst 16kb latency 400ms"
    rate = "" if rate_kbit is None else f" rate {rate_kbit}kbit"
    return f"netem delay {delay_ms}ms{rate}"


def fail(name: str, wish: Wish) -> Fault:
    """Put a fault in force and return it; raises Refused when the host is off already."""
    with record.locked(name):
        made = record.load(name)
        hosts = [made.host(host) for host in wish.hosts]
        for host in hosts:
            _refuse_off(made, host)
        numbers = [fault.number for fault in made.faults]
        fault = Fault(
            number=max(numbers, default=0) + 1,
            kind=wish.kind,
            hosts=wish.hosts,
            detail=wish.detail,
        )
        # on record before it is in force: whatever interrupts us, `heal` knows of it
        record.save(replace(made, faults=(*made.faults, fault)))
        try:
            _break(replace(made, faults=(*made.faults, fault)), fault)
        except BaseException:
            _undo(made, [fault])
            raise
        if wish.heal_after_s is not None:
            watcher = watch.start_watcher(name, fault.number, wish.heal_after_s)
            fault = replace(fault, watcher=watcher)
            record.save(replace(made, faults=(*made.faults, fault)))
        return fault


def heal(name: str, host: str | None = None) -> list[Fault]:
    """End all faults of a host, or of all, boot what is off, and return what was healed."""
    with record.locked(name):
        made = record.load(name)
        hosts = made.plan.hosts if host is None else (made.host(host),)
        names = {each.name for each in hosts}
        healed = [fault for fault in made.faults if names & set(fault.hosts)]
        made = _undo(made, healed)
        _boot(made, [each for each in hosts if _is_off(made, each)])
        return healed


def heal_fault(name: str, number: int) -> None:
    """End one fault, if it is still in force."""
    with record.locked(name):
        made = record.load(name)
        healed = [fault for fault in made.faults if fault.number == number]
        made = _undo(made, healed)
        hosts = [made.host(host) for fault in healed if fault.kind in _OFF for host in fault.hosts]
        _boot(made, [host for host in hosts if _is_off(made, host)])


def _break(made: Record, fault: Fault) -> None:
    holder = lifecycle.holder_of(made)
    host = made.host(fault.hosts[0])
    supervisor = made.supervisors[host.name]
    match fault.kind:
        case FaultKind.POWER_OFF:
            links.apply_rules(holder, made)  # first: a host without power says no good-bye
            guest.cut_power([supervisor])
        case FaultKind.STOP:
            guest.power_off(supervisor)
            links.apply_rules(holder, made)
        case FaultKind.CUT | FaultKind.CUT_PAIR:
            links.apply_rules(holder, made)
        case FaultKind.FREEZE:
            freeze(_leader(made, host), fault.detail)
        case FaultKind.FILL_DISK:
            disk.fill(holder, record.host_dir(made.name, host.name), int(fault.detail or 0))
        case FaultKind.SLOW:
            _slow_down(made, fault)


def _undo(made: Record, faults: Sequence[Fault]) -> Record:
    """End faults in the order that keeps the record true, and return the new record."""
    holder = lifecycle.holder_of(made)
    rest = replace(made, faults=tuple(fault for fault in made.faults if fault not in faults))
    for fault in faults:
        host = made.host(fault.hosts[0])
        leader = guest.leader_of(made.supervisors[host.name])
        if fault.kind is FaultKind.FREEZE and leader is not None:
            thaw(leader, fault.detail)
        elif fault.kind is FaultKind.FILL_DISK:
            disk.empty(holder, record.host_dir(made.name, host.name))
        elif fault.kind is FaultKind.SLOW:
            namespace = record.namespace_of(made.name, host.name)
            links.slow_down(holder, host, namespace, links.FULL_SPEED)
    links.apply_rules(holder, rest)
    record.save(rest)
    for fault in faults:
        if fault.watcher is not None and fault.watcher.pid != os.getpid():
            fault.watcher.kill()
    return rest


def _boot(made: Record, hosts: Sequence[HostPlan]) -> None:
    if not hosts:
        return
    made = lifecycle.boot_hosts(made, hosts)
    booted = {host.name for host in hosts}
    for fault in made.faults:  # a fresh cable is a fast one
        if fault.kind is FaultKind.SLOW and booted & set(fault.hosts):
            _slow_down(made, fault)


def _slow_down(made: Record, fault: Fault) -> None:
    host = made.host(fault.hosts[0])
    namespace = record.namespace_of(made.name, host.name)
    try:
        links.slow_down(lifecycle.holder_of(made), host, namespace, fault.detail)
    except PhaseFailed as error:
        kind = fault.detail.split()[0]
        raise PreflightError(
            Problem(
                where="this machine",
                what=f"cannot slow a link by sch_{kind}: {error.problems[0].what}",
                remedy=f"run `modprobe sch_{kind}` (CONFIG_NET_SCH_{kind.upper()})",
            )
        ) from error


def _is_off(made: Record, host: HostPlan) -> bool:
    return guest.leader_of(made.supervisors.get(host.name)) is None


def _leader(made: Record, host: HostPlan) -> int:
    leader = guest.leader_of(made.supervisors[host.name])
    assert leader is not None  # noqa: S101 - `fail` refuses hosts that are off
    return leader


def _refuse_off(made: Record, host: HostPlan) -> None:
    if _is_off(made, host):
        raise Refused(
            Problem(
                where=f"{made.name}/{host.name}",
                what="is off",
                remedy=f"run `cfy_manager sandbox heal {made.name} {host.name}` first",
            )
        )
