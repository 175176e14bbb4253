"""Faults of the network: which frames the bridges drop, how slow a cable is.

The rules lie in the sandbox's namespace, out of the hosts' sight, and drop every frame, so a host
that is cut off gets no answer at all: neither from its peers nor from the kernel.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from installer.sandbox.keeper import run_inside
from installer.sandbox.plan import HostPlan
from installer.sandbox.process import ProcessId
from installer.sandbox.record import FaultKind, Record

FULL_SPEED = "noqueue"  # what a veth device has from the start

# a host without power answers nothing; without this its kernel would close its connections
_SILENT = (FaultKind.CUT, FaultKind.POWER_OFF, FaultKind.STOP)


def ruleset(made: Record) -> str:
    """Return the nftables rules that all faults of a sandbox together ask for."""
    return "\n".join(
        (
            "table bridge faults",  # so that the deletion finds one
            "delete table bridge faults",
            "table bridge faults {",
            " chain from { type filter hook prerouting priority 0;",
            *(f"  iifname {port} drop" for port in _silent_ports(made)),
            " }",
            " chain to { type filter hook postrouting priority 0;",
            *(f"  oifname {port} drop" for port in _silent_ports(made)),
            " }",
            " chain between { type filter hook forward priority 0;",
            *(f"  iifname {one} oifname {other} drop" for one, other in _cut_pairs(made)),
            " }",
            "}\n",
        )
    )


def apply_rules(keeper: ProcessId, made: Record) -> None:
    """Put the rules of a sandbox's faults in force, all at once."""
    run_inside(keeper, ["nft", "-f", "-"], stdin=ruleset(made))


def slow_down(keeper: ProcessId, host: HostPlan, namespace: Path, discipline: str) -> None:
    """Put a queueing discipline on a host's cables, in both directions."""
    run_inside(keeper, ["sh", "-eu"], stdin=discipline_script(host, namespace, discipline))


def discipline_script(host: HostPlan, namespace: Path, discipline: str) -> str:
    """Return the shell script that sets the queueing discipline of a host's cables.

    Source: tc-tbf(8), tc-netem(8).
    """
    return "".join(
        f"tc qdisc replace dev {host.port(card)} root {discipline}\n"
        f"nsenter --net={namespace} tc qdisc replace dev {card.name} root {discipline}\n"
        for card in host.interfaces
    )


def _silent_ports(made: Record) -> Iterator[str]:
    for fault in made.faults:
        if fault.kind in _SILENT:
            yield from _ports(made.host(fault.hosts[0]))


def _cut_pairs(made: Record) -> Iterator[tuple[str, str]]:
    for fault in made.faults:
        if fault.kind is FaultKind.CUT_PAIR:
            one, other = (_ports(made.host(name)) for name in fault.hosts)
            yield from product(one, other)
            yield from product(other, one)


def _ports(host: HostPlan) -> Sequence[str]:
    return [host.port(card) for card in host.interfaces]
