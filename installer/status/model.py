"""How a node and its cluster are, in words that every view of a cluster shares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """How a node or one of its services is, from the best to the worst known."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"  # nobody could tell


class Part(StrEnum):
    """What a service is to its cluster at the moment."""

    NONE = ""
    LEADER = "leader"
    SYNCHRONOUS = "synchronous"
    REPLICA = "replica"


class Verdict(StrEnum):
    """How a whole cluster is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"  # it works, and something is wrong or not as safe as it should be
    DOWN = "down"  # requests or executions fail or hang

    @property
    def exit_code(self) -> int:
        """Return 0, 1 or 2, as `dbs list` has had it since Cloudify 5."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be; what makes the cluster healthy is only a remark."""

    code: str
    where: str  # a node, or a service of the whole cluster
    what: str
    remedy: str
    verdict: Verdict  # of the cluster, if nothing else were wrong
    service: str = ""  # the role that it concerns; none: all of the node
    state: State = State.OK  # of this service on the node

    def as_json(self) -> dict[str, str]:
        """Return it as JSON values."""
        names = ("code", "where", "service", "what", "remedy", "verdict")
        return {name: str(getattr(self, name)) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One role of a node: how it is, what it is to the others, and what was said of it."""

    state: State
    part: Part = Part.NONE
    said: str = ""  # "lags 3 MiB", "does not answer"
    lag_bytes: int | None = None  # of a replica


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node; `services` are its roles by their names."""

    name: str
    services: Mapping[str, ServiceStatus]
    units: tuple[int, int] | None = None  # how many of ours run, of how many
    certificate_days: int | None = None  # that the first of its certificates is still valid
    drifted: tuple[str, ...] = ()  # files that are not as our last run left them
    version: str = ""  # of our software
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def state(self) -> State:
        """Return the worst of its services; a node of which nothing is known is unknown."""
        return worst_state(service.state for service in self.services.values())

    @property
    def said(self) -> str:
        """Return what it is to its cluster, for instance `leader`; nothing where no role leads."""
        parts = (service.part for service in self.services.values() if service.part)
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """A cluster at one moment: its nodes, a line for each service, and what is wrong."""

    name: str
    nodes: Mapping[str, NodeStatus]
    summary: Mapping[str, str]  # service → one line
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """Return what its worst finding says."""
        return worst_verdict(self.findings)

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """Return what the verdict follows from, the worst first."""
        found = (one for one in self.findings if one.verdict is not Verdict.HEALTHY)
        return tuple(sorted(found, key=lambda one: -one.verdict.exit_code))

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """Return what should be looked at though the cluster is well."""
        return tuple(one for one in self.findings if one.verdict is Verdict.HEALTHY)


def worst_verdict(findings: Iterable[Finding]) -> Verdict:
    """Return the worst verdict of several findings; without one all is well."""
    verdicts = (finding.verdict for finding in findings)
    return max(verdicts, key=lambda verdict: verdict.exit_code, default=Verdict.HEALTHY)


def worst_state(states: Iterable[State]) -> State:
    """Return what to say of several: one that is down counts more than one that is unknown."""
    order = (State.OK, State.UNKNOWN, State.DEGRADED, State.DOWN)
    return max(states, key=order.index, default=State.UNKNOWN)
