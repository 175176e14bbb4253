"""What was found on a node, as values that checks read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from installer.engine.observation import NodeFacts
from installer.engine.outcome import ClockReading


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What the machine is; the defaults are those of a plain Debian 13 server."""

    kernel: str = "6.12.0"
    init: str = "systemd"
    container: str = ""  # what kind, where it is one
    has_cgroup_v2: bool = True
    machine_id: str = ""
    host_keys: Mapping[str, str] = field(default_factory=dict)  # kind: public key
    memory_available_bytes: int = 0
    swap_bytes: int = 0
    swappiness: int | None = None
    huge_pages_bytes: int = 0
    transparent_huge_pages: str = ""
    shared_memory_bytes: int | None = None
    open_files_limit: int | None = None  # None: none
    inotify_watches: int | None = None
    inotify_instances: int | None = None
    selinux: str = ""
    apparmor_enforced: tuple[str, ...] = ()
    has_ipv6: bool = True
    resets_hostname: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder and its file system, of the nearest that exists where it does not yet."""

    exists: bool = True
    mode: int = 0o755
    device: int = 1
    mount_point: str = "/"
    kind: str = "ext4"
    options: tuple[str, ...] = ()  # ro, noexec
    free_bytes: int = 0
    total_bytes: int = 0
    free_inodes: int | None = None  # None: as many as wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushTimes:
    """How long flushed writes took."""

    writes: int
    p50_s: float
    p99_s: float
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface."""

    mtu: int = 1500
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A process that listens on a TCP port."""

    port: int
    address: str = "0.0.0.0"  # noqa: S104 - what was seen
    process: str = ""
    unit: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Locale:
    """The host's default locale, and those wanted ones that the C library lacks."""

    default: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeService:
    """Who keeps the clock, and whether the kernel calls it synchronised."""

    services: tuple[str, ...] = ()
    is_synchronised: bool | None = None  # None: unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """To which cluster a node's data belong; empty where there are none."""

    etcd_token: str = ""
    etcd_cluster_id: str = ""
    postgresql_system_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """The packet filter's rules as its tools list them, and who manages them."""

    rules: Mapping[str, str] = field(default_factory=dict)  # nft, iptables, ip6tables: text
    managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock of apt or dpkg that a process holds."""

    path: str
    pid: int
    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that one remote command found on a node."""

    node: NodeFacts = field(default_factory=NodeFacts)
    clock: ClockReading = field(
        default_factory=lambda: ClockReading(offset_s=0.0, uncertainty_s=0.0)
    )
    system: System = field(default_factory=System)
    locale: Locale = field(default_factory=Locale)
    time: TimeService = field(default_factory=TimeService)
    folders: Mapping[str, Folder] = field(default_factory=dict)
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name: addresses
    firewall: Firewall = field(default_factory=Firewall)
    packages: Mapping[str, str] = field(default_factory=dict)  # name: version
    halfway: tuple[str, ...] = ()  # packages that dpkg has not brought to their end
    marks: frozenset[str] = frozenset()  # files that an installation of ours left
    running: frozenset[str] = frozenset()  # names of processes
    masked: frozenset[str] = frozenset()  # units
    enabled: frozenset[str] = frozenset()  # units
    filled: Mapping[str, str] = field(default_factory=dict)  # pattern of data: a path of it
    identities: Identities = field(default_factory=Identities)
    locks: tuple[Lock, ...] = ()
    # only of nodes on which nothing of ours is installed yet:
    flush: Mapping[str, FlushTimes] = field(default_factory=dict)  # by folder
    neighbour: str = ""  # hardware address that answers for the virtual IP
    sources: Mapping[str, float | str] = field(default_factory=dict)  # seconds, or why not
    offered: frozenset[str] = frozenset()  # packages that apt could install

    @property
    def is_installed(self) -> bool:
        """Tell whether anything of ours is installed on the node."""
        return bool(self.marks)


UNREAD = ClockReading(offset_s=0.0, uncertainty_s=math.inf)  # it makes no finding


def read_facts(told: Mapping[str, Any], clock: ClockReading) -> Facts:
    """Return what a node answered to `installer.preflight.wanted.facts_request` as values."""
    node = dict(told["node"])
    return Facts(
        node=NodeFacts(release=node.pop("codename"), **node),
        clock=clock,
        system=System(**{key: _frozen(value) for key, value in told["system"].items()}),
        locale=Locale(told["locale"]["default"], tuple(told["locale"]["missing"])),
        time=TimeService(tuple(told["time"]["services"]), told["time"]["is_synchronised"]),
        folders={
            path: Folder(**{key: _frozen(value) for key, value in folder.items()})
            for path, folder in told["folders"].items()
        },
        interfaces={
            name: Interface(mtu=mtu, addresses=tuple(addresses))
            for name, (mtu, addresses) in told["interfaces"].items()
        },
        listeners=tuple(
            Listener(port=port, address=address, process=process, unit=unit, pid=pid)
            for port, address, process, unit, pid in told["listeners"]
        ),
        names={name: tuple(addresses) for name, addresses in told["names"].items()},
        firewall=Firewall(
            rules=told["firewall"]["rules"], managers=tuple(told["firewall"]["managers"])
        ),
        packages=told["packages"]["installed"],
        halfway=tuple(told["packages"]["halfway"]),
        **{
            key: frozenset(told[key])
            for key in ("marks", "running", "masked", "enabled", "offered")
        },
        filled=told["filled"],
        identities=Identities(**told["identities"]),
        locks=tuple(
            Lock(path=path, pid=pid, process=process) for path, pid, process in told["locks"]
        ),
        flush={
            path: FlushTimes(writes=writes, p50_s=p50, p99_s=p99, longest_s=longest)
            for path, (writes, p50, p99, longest) in told["flush"].items()
        },
        neighbour=told["neighbour"],
        sources=told["sources"],
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
