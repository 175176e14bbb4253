"""How a node is, in words that every view of a cluster shares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One role of a node: how it is, what it is to the others, and what was said of it."""

    state: State
    part: Part = Part.NONE
    said: str = ""  # "lags 3 MiB", "does not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node; `services` are its roles by their names."""

    name: str
    services: Mapping[str, ServiceStatus]

    @property
    def state(self) -> State:
        """Return the worst of its services; a node of which nothing is known is unknown."""
        return worst_state(service.state for service in self.services.values())

    @property
    def said(self) -> str:
        """Return what it is to its cluster, for instance `leader`; nothing where no role leads."""
        parts = (service.part for service in self.services.values() if service.part)
        return ", ".join(parts)


def worst_state(states: Iterable[State]) -> State:
    """Return what to say of several: one that is down counts more than one that is unknown."""
    order = (State.OK, State.UNKNOWN, State.DEGRADED, State.DOWN)
    return max(states, key=order.index, default=State.UNKNOWN)
