"""The cables of a sandbox: bridges in its own namespace, a veth pair for each network card."""

from collections.abc import Iterator
from pathlib import Path

from installer.sandbox.keeper import run_inside
from installer.sandbox.plan import HostPlan, Plan, Segment
from installer.sandbox.process import ProcessId


def bridge_lines(segment: Segment) -> Iterator[str]:
    """Yield the `ip -batch` lines that make one network and the controller's address on it."""
    prefix = segment.subnet.partition("/")[2]
    yield f"link add {segment.bridge} type bridge"
    yield f"address add {segment.controller}/{prefix} dev {segment.bridge}"
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
            yield f"address add {address} dev {card.name}"
        yield f"link set {card.name} up"
    first = host.interfaces[0].bridge
    gateway = next(part.controller for part in plan.segments if part.bridge == first)
    yield f"route add default via {gateway}"


def make_bridges(keeper: ProcessId, plan: Plan) -> None:
    """Make every network of the sandbox."""
    _ip(keeper, [line for segment in plan.segments for line in bridge_lines(segment)])


def plug_in(keeper: ProcessId, plan: Plan, host: HostPlan, namespace: Path) -> None:
    """Give a host a fresh network namespace with all its cards; an old one goes first.

    A machine that boots has none of the addresses and connections that it had before.
    """
    unplug(keeper, host, namespace)
    run_inside(keeper, ["touch", str(namespace)])
    run_inside(keeper, ["unshare", f"--net={namespace}", "true"])
    _ip(keeper, cable_lines(host, namespace))
    lines = "".join(f"{line}\n" for line in card_lines(host, plan))
    run_inside(keeper, ["nsenter", f"--net={namespace}", "ip", "-batch", "-"], stdin=lines)


def unplug(keeper: ProcessId, host: HostPlan, namespace: Path) -> None:
    """Take a host's cables and namespace away if they are there."""
    present = run_inside(keeper, ["ip", "-brief", "link", "show", "type", "veth"])
    ports = {line.split("@")[0] for line in present.splitlines()}
    wanted = [host.port(card) for card in host.interfaces]
    _ip(keeper, [f"link delete {port}" for port in wanted if port in ports])
    run_inside(keeper, ["sh", "-c", 'umount "$0" 2>/dev/null; rm -f "$0"', str(namespace)])


def _ip(keeper: ProcessId, lines: "Iterator[str] | list[str]") -> None:
    run_inside(keeper, ["ip", "-batch", "-"], stdin="".join(f"{line}\n" for line in lines))
