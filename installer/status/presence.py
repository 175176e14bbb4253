"""What is there of a cluster at one moment: who runs, who leads, which queues are whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from installer.status.model import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseMember:
    """One database node: its member of etcd, and what PostgreSQL is there."""

    etcd: bool  # sees a quorum
    part: Part = Part.NONE
    follows: bool = False  # the leader, or a replica that streams from it
    lag_bytes: int | None = None  # of a replica; None where nobody knows

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing of it is missing."""
        return self.etcd and self.follows


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumQueue:
    """A replicated queue: the brokers that should have it, and those of them that do."""

    name: str
    members: frozenset[str]
    online: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Every service of a cluster by its node; whatever did not answer is not there."""

    databases: Mapping[str, DatabaseMember] = field(default_factory=dict)
    is_paused: bool = False  # Patroni promotes nobody
    brokers: Mapping[str, bool] = field(default_factory=dict)
    queues: tuple[QuorumQueue, ...] = ()
    managers: Mapping[str, bool] = field(default_factory=dict)
    in_step: Mapping[str, bool] = field(default_factory=dict)  # managers that have all files
    executions: Mapping[str, int] = field(default_factory=dict)  # that run, by manager
    balancers: Mapping[str, bool] = field(default_factory=dict)
    holder: str | None = None  # of the virtual IP

    def database_with(self, part: Part) -> str | None:
        """Return the node whose PostgreSQL has this part and works."""
        found = (n for n, m in self.databases.items() if m.part is part and m.follows)
        return next(found, None)
