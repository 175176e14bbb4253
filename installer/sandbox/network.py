"""The cables of a sandbox: bridges in its own namespace, a veth pair for each network card."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from installer.sandbox.keeper import run_inside
from installer.sandbox.plan import HostPlan, Plan, Segment
from installer.sandbox.process import ProcessId


def bridge_lines(segment: Segment) -> Iterator[str]:
    """Yield the `ip -batch` lines that make one network and the controller's address on it."""
    prefix = segment.subnet.partition("/")[2]
    yield f"link add {segment.bridge} type bridge"
    yield _address_line(f"{segment.controller}/{prefix}", segment.bridge)
    yield f"link set {segment.bridge} up"


def cable_lines(host: HostPlan, namespace: Path) -> Iterator[str]:
    """Yield the `ip -batch` lines that plug a host's cards into their bridges."""
    for card in host.interfaces:
        port = host.port(card)
        yield f"link add {port} type veth peer name {card.name} netns {namespace}"
        yield f"link set {port} master {card.bridge} up"


def card_lines(host: HostPlan, plan: Plan) -> Iterator[str]:
    """Yield the `ip -batch` lines that run in the host's namespace: addresses and routes."""
    yield "link set lo up"
    for card in host.interfaces:
        for address in card.addresses:
            yield _address_line(address, card.name)
        yield f"link set {card.name} up"
    first = host.interfaces[0].bridge
    gateway = next(part.controller for part in plan.segments if part.bridge == first)
    yield f"route add default via {gateway}"


def plug_in_script(plan: Plan, host: HostPlan, namespace: Path) -> str:
    """Return the shell script that gives a host a fresh network namespace with all its cards.

    A machine that boots has none of the addresses and connections that it had before, so what
    an earlier boot has left is taken away; at the first boot there is nothing to delete.
    """
    ports = " ".join(host.port(card) for card in host.interfaces)
    return f"""\
set -eu
for port in {ports}; do ip link delete "$port" 2>/dev/null || :; done
umount {namespace} 2>/dev/null || :
: >{namespace}
unshare --net={namespace} true
ip -batch - <<END
{_text(cable_lines(host, namespace))}END
nsenter --net={namespace} ip -batch - <<END
{_text(card_lines(host, plan))}END
"""


def make_bridges(keeper: ProcessId, plan: Plan) -> None:
    """Make every network of the sandbox."""
    lines = [line for segment in plan.segments for line in bridge_lines(segment)]
    run_inside(keeper, ["ip", "-batch", "-"], stdin=_text(lines))


def plug_in(keeper: ProcessId, plan: Plan, host: HostPlan, namespace: Path) -> None:
    """Connect a host that is about to boot to its networks."""
    run_inside(keeper, ["sh"], stdin=plug_in_script(plan, host, namespace))


def _address_line(address: str, device: str) -> str:
    """Source: ip-address(8): until a search for duplicates ends, nobody may bind the address."""
    return f"address add {address} dev {device}{' nodad' if ':' in address else ''}"


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
