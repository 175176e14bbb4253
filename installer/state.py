"""What a node must be, as values that the engine applies, a plan compares and a test reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from installer.secrets import Secret


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package that must be installed, in whatever version the node's source offers."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A system user of its own group; `groups` are further ones it joins."""

    name: str
    home: str = "/nonexistent"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory with its owner and mode; parents that lack are root's, 0755.

    What is in one that `is_shared` is not this node's alone: no removal touches it.
    """

    path: str
    owner: str = "root"
    group: str | None = None  # None: the owner's primary group
    mode: int = 0o755
    is_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedFile:
    """A file whose bytes, owner and mode are ours; created with its final mode, then renamed."""

    path: str
    content: bytes = field(repr=False)  # it may be a secret
    owner: str = "root"
    group: str | None = None  # None: the owner's primary group
    mode: int = 0o644
    secret: bool = False  # a plan and a log never show its content
    before_packages: bool = False  # written before packages come; owner must be root


class UnitTarget(StrEnum):
    """What a systemd unit must be."""

    RUNNING = "running"  # enabled and active
    STOPPED = "stopped"  # disabled and inactive
    MASKED = "masked"  # also before its package comes, so that it never starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A systemd unit, and the files whose change restarts or reloads it.

    The engine starts units with `--no-block`; whether they work is a gate's question.
    """

    name: str
    target: UnitTarget = UnitTarget.RUNNING
    restart_on: tuple[str, ...] = ()  # paths of managed files
    reload_on: tuple[str, ...] = ()
    one_at_a_time: bool = False  # a restart waits for the stage's gate before the next node's


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """Everything that is data on a node; applied in the order of the fields."""

    packages: tuple[Package, ...] = ()
    users: tuple[User, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[ManagedFile, ...] = ()
    absent: tuple[str, ...] = ()  # files and directories of the distribution that must go
    units: tuple[Unit, ...] = ()
    data: tuple[str, ...] = ()  # what services write themselves: only a removal touches it

    def file(self, path: str) -> ManagedFile:
        """Return the managed file at `path`."""
        return next(file for file in self.files if file.path == path)

    def __or__(self, other: "NodeState") -> "NodeState":
        return NodeState(
            packages=tuple(dict.fromkeys(self.packages + other.packages)),
            users=tuple(dict.fromkeys(self.users + other.users)),
            directories=tuple(dict.fromkeys(self.directories + other.directories)),
            files=tuple(dict.fromkeys(self.files + other.files)),
            absent=tuple(dict.fromkeys(self.absent + other.absent)),
            units=tuple(dict.fromkeys(self.units + other.units)),
            data=tuple(dict.fromkeys(self.data + other.data)),
        )


REFUSED = 78  # EX_CONFIG


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change that is not data, run as root by `sh -eu`, guarded by the state it establishes.

    `guard` exits 0 when that state already holds; it is cheap, read-only and safe on a bare host.
    It exits REFUSED when no run can reach the state from what is there: it then says what is wrong
    on its first line and the remedy on its second, and nothing is changed on any node.
    `secrets` reach guard and script as environment variables by stdin, never on a command line.
    """

    name: str  # imperative: "Enable etcd authentication"
    guard: str
    script: str
    secrets: Mapping[str, Secret] = field(default_factory=dict, hash=False)
    once: bool = False  # on one node of the role only, the first that the run reaches
    timeout_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A condition on the cluster's own view, awaited by one remote loop with its own deadline.

    `check` is run by `sh -eu` until it exits 0; its output is the last observed state.
    With `needs_peers` a node that is installed alone may defer it: the check then exits 75
    (EX_TEMPFAIL) while too few other members answer. A check that exits 76 tells that what it
    waits for is under way: that time does not count, until `longest_s` of waiting in all.
    """

    name: str  # "etcd has quorum"
    check: str
    secrets: Mapping[str, Secret] = field(default_factory=dict, hash=False)
    timeout_s: int = 60
    longest_s: int = 0
    units: tuple[str, ...] = ()  # whose journal explains a failure
    needs_peers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a role on one node: its state, then the gate, then the steps that need the gate.

    All nodes of the role finish a stage before any begins the next one. `after` names roles that
    must be finished on the whole cluster first; a role that the run does not touch counts as done.
    A planned restart runs `hand_over` before it, so that others take the node's work; afterwards
    `settled` must hold on every node that has one before the next node's turn.
    """

    name: str  # "etcd", "patroni"
    after: tuple[str, ...] = ()  # ("database", "queue")
    state: NodeState = field(default_factory=NodeState)
    gate: Gate | None = None
    steps: tuple[Step, ...] = ()
    hand_over: Step | None = None
    settled: Gate | None = None
