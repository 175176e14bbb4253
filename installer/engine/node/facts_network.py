"""What the node knows of the network: its interfaces, names, listeners, rules and neighbours."""

from __future__ import annotations

import os
import socket
import time

from installer.engine.node.facts_system import text_of
from installer.engine.node.script import run_command
from installer.engine.node.side_by_side import side_by_side

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_ANSWERED_S = 3.0
_TOOL_S = 5
_LISTENING = "0A"
_COMPLETE = 0x2  # ATF_COM: the neighbour has told its address
_RULES_LIMIT = 200_000
_RULES = {
    "nft": ("nft", "list", "ruleset"),
    "iptables": ("iptables-save",),
    "ip6tables": ("ip6tables-save",),
}
_OLD_TABLES = {
    "iptables": "/proc/net/ip_tables_names",
    "ip6tables": "/proc/net/ip6_tables_names",
}
_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")


def interfaces() -> dict[str, Any]:
    """Return (MTU, addresses) of each interface."""
    found: dict[str, tuple[int, list[str]]] = {}
    for name in os.listdir("/sys/class/net"):
        mtu = text_of(f"/sys/class/net/{name}/mtu").strip()
        if mtu.isdigit():
            found[name] = int(mtu), []
    listing = run_command(["ip", "-o", "addr", "show"], timeout_s=_TOOL_S)["stdout"]
    for line in listing.splitlines():
        words = line.split()
        if len(words) > 3 and words[2] in ("inet", "inet6"):
            found.setdefault(words[1].partition("@")[0], (0, []))[1].append(
                words[3].partition("/")[0]
            )
    return found


def listeners(ports: list[int], running: dict[int, tuple[str, str]]) -> list[tuple[Any, ...]]:
    """Return (port, address, process, unit, pid) of who listens on these TCP ports."""
    wanted = set(ports)
    inodes: dict[str, tuple[int, str]] = {}
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in text_of(path, 1 << 22).splitlines()[1:]:
            words = line.split()
            host, _, port = words[1].partition(":")
            if words[3] == _LISTENING and int(port, 16) in wanted:
                inodes[words[9]] = int(port, 16), _address(host)
    if not inodes:
        return []
    owners = _owners(set(inodes), running)
    return [
        (*inodes[inode], *running.get(pid, ("", "")), pid)
        for inode in inodes
        if (pid := owners.get(inode, 0)) is not None
    ]


def _address(digits: str) -> str:
    words = [bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))


def _owners(inodes: set[str], running: dict[int, tuple[str, str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for pid in sorted(running):
        try:
            for entry in os.listdir(f"/proc/{pid}/fd"):
                link = os.readlink(f"/proc/{pid}/fd/{entry}")
                if link.startswith("socket:[") and link[8:-1] in inodes:
                    found.setdefault(link[8:-1], pid)
        except OSError:  # it ended meanwhile
            continue
    return found


def names(wanted: list[str]) -> dict[str, list[str]]:
    """Return the addresses of each name; none where nobody knows it or answers in time."""
    found: dict[str, list[str]] = {name: [] for name in wanted}

    def ask(name: str) -> None:
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            return
        found[name] = sorted({str(answer[4][0]) for answer in answers})

    side_by_side([(ask, (name,)) for name in wanted], _ANSWERED_S)
    return dict(found)


def rules(running: dict[int, tuple[str, str]]) -> dict[str, Any]:
    """Return the packet filter's rules as its own tools list them, and who manages them."""
    has_nft = _is_there("nft")
    said = {}
    for tool, (program, *words) in _RULES.items():
        if has_nft and tool != "nft":  # it lists theirs as well, but for those of the old kernel
            program = program.replace("-save", "-legacy-save")
            if not text_of(_OLD_TABLES[tool]):
                continue
        if _is_there(program):
            done = run_command([program, *words], timeout_s=_TOOL_S)
            said[tool] = done["stdout"][:_RULES_LIMIT] if done["code"] == 0 else ""
    units = {unit for _, unit in running.values()}
    managers = [name for name in ("firewalld",) if f"{name}.service" in units]
    if "ENABLED=yes" in text_of("/etc/ufw/ufw.conf"):
        managers.append("ufw")
    return {"rules": said, "managers": managers}


def _is_there(program: str) -> bool:
    return any(os.path.exists(f"{folder}/{program}") for folder in _FOLDERS)


def answers(address: str) -> str:
    """Return the hardware address by which a neighbour answers for an address; empty: nobody does.

    A datagram to it makes the kernel ask the neighbours.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.sendto(b"", (address, 9))  # the discard port
        except OSError:
            return ""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        if found := _neighbour(address, family):
            return found
        time.sleep(0.02)
    return ""


def _neighbour(address: str, family: int) -> str:
    if family == socket.AF_INET6:
        said = run_command(["ip", "-6", "neigh", "show", address], timeout_s=_TOOL_S)["stdout"]
        words = said.split()
        return words[words.index("lladdr") + 1] if "lladdr" in words else ""
    for line in text_of("/proc/net/arp").splitlines()[1:]:
        words = line.split()
        if words[0] == address and int(words[2], 16) & _COMPLETE:
            return words[3]
    return ""
