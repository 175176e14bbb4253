"""What the nodes of a cluster told of themselves, as plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from installer.errors import Problem
from installer.inventory import Inventory, Node, Role

_OPENSSL_DATE = "%b %d %H:%M:%S %Y %Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service answered; `fault` says why it did not."""

    fault: str = ""
    status: int = 0  # of HTTP; 0 where it was asked by other means
    text: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether it answered what it was asked."""
        return not self.fault and self.status in (0, 200)

    @property
    def words(self) -> str:
        """Return why it is not good, for a person."""
        return self.fault or f"it answers {self.status}: {' '.join(self.text.split())[:120]}"

    def value(self) -> Any:
        """Return the JSON value that it carries; None where there is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


SILENT = Answer(fault="it was not asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system: its size and what is left of it."""

    size: int
    free: int
    inodes: int
    free_inodes: int

    @property
    def used(self) -> float:
        """Return the greater share that is used, of bytes and of inodes."""
        shares = [(self.size, self.free), (self.inodes, self.free_inodes)]
        return max((1 - free / whole for whole, free in shares if whole), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFact:
    """A systemd unit of ours that should run."""

    active: str  # active, activating, failed, inactive
    sub: str
    result: str

    @property
    def is_running(self) -> bool:
        """Tell whether it does what it should."""
        return self.active in ("active", "reloading")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What one node told."""

    name: str
    answers: Mapping[str, Answer] = field(default_factory=dict, hash=False)
    is_installed: bool = True
    clock_offset_s: float = 0.0  # what is certain of it; positive: the node is ahead
    units: Mapping[str, UnitFact] = field(default_factory=dict, hash=False)
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    certificates: Mapping[str, datetime] = field(default_factory=dict, hash=False)
    disks: Mapping[str, Disk] = field(default_factory=dict, hash=False)
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    own_version: str = ""
    holds_virtual_ip: bool | None = None

    def answer(self, name: str) -> Answer:
        """Return what a service answered."""
        return self.answers.get(name, SILENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """What all nodes told, and why the others did not."""

    inventory: Inventory
    nodes: Mapping[str, NodeFacts]
    silent: Mapping[str, Problem]
    now: datetime
    seconds: float = 0.0
    is_ca_changing: bool = False

    def having(self, role: Role) -> tuple[Node, ...]:
        """Return the nodes of a role, those that are silent too."""
        return self.inventory.with_role(role)

    def told(self, role: Role) -> tuple[NodeFacts, ...]:
        """Return what the nodes of a role told, those that did."""
        return tuple(self.nodes[n.name] for n in self.having(role) if n.name in self.nodes)


def node_facts(name: str, reply: Mapping[str, Any], asked: tuple[float, float]) -> NodeFacts:
    """Return a node's reply as facts; `asked` is when the question went and the answer came."""
    return NodeFacts(
        name=name,
        answers={key: _answer(told) for key, told in reply["answers"].items()},
        is_installed=reply.get("is_installed", True),
        clock_offset_s=_offset(reply["time"], *asked),
        units=_units(reply.get("units", "")),
        changed=tuple(reply.get("changed", ())),
        removed=tuple(reply.get("removed", ())),
        certificates={
            path: datetime.strptime(until, _OPENSSL_DATE).replace(tzinfo=UTC)
            for path, until in reply.get("certificates", {}).items()
        },
        disks={place: _disk(told) for place, told in reply.get("disks", {}).items()},
        packages=reply.get("packages", {}),
        own_version=reply.get("own_version", ""),
        holds_virtual_ip=reply.get("holds_virtual_ip"),
    )


def _answer(told: tuple[str, Any]) -> Answer:
    outcome, value = told
    if outcome != "ok":
        return Answer(fault=value)
    if isinstance(value, str):
        return Answer(text=value)
    return Answer(status=value[0], text=value[1])


def _offset(there: float, sent: float, came: float) -> float:
    """Return by how much a clock is certainly wrong: it was read between sending and coming."""
    return min(0.0, there - sent) + max(0.0, there - came)


def _disk(told: tuple[int, int, int, int]) -> Disk:
    size, free, inodes, free_inodes = told
    return Disk(size=size, free=free, inodes=inodes, free_inodes=free_inodes)


def _units(shown: str) -> dict[str, UnitFact]:
    found = {}
    for block in shown.strip().split("\n\n"):
        told = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if told:
            found[told["Id"]] = UnitFact(
                active=told["ActiveState"], sub=told["SubState"], result=told["Result"]
            )
    return found
