"""What a forecast says: a sum of named times, each with its shortest and longest and its source."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Loss(StrEnum):
    """What may fail, by the name that `--only` takes."""

    PRIMARY_PROCESS = "primary-process"
    PRIMARY_HOST = "primary-host"
    PRIMARY_AND_ETCD_LEADER = "primary-and-etcd-leader"
    PRIMARY_PARTITION = "primary-partition"
    SWITCHOVER = "switchover"
    REPLICA = "replica"
    SYNCHRONOUS_REPLICA = "synchronous-replica"
    ETCD_LEADER = "etcd-leader"
    WHOLE_ETCD = "whole-etcd"
    DATABASE_MAJORITY = "database-majority"
    BROKER_PROCESS = "broker-process"
    BROKER_HOST = "broker-host"
    BROKER_MAJORITY = "broker-majority"
    MANAGER_PROCESS = "manager-process"
    MANAGER_HOST = "manager-host"
    BALANCER_PROCESS = "balancer-process"
    BALANCER_HOST = "balancer-host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One time in a sum; the average is half-way where nothing else is known."""

    what: str
    shortest_s: float
    longest_s: float
    source: str
    likely_s: float | None = None

    @property
    def average_s(self) -> float:
        """Return what to expect."""
        if self.likely_s is not None:
            return self.likely_s
        return (self.shortest_s + self.longest_s) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How long one loss interrupts what, and what is lost with it."""

    loss: Loss
    title: str
    interrupts: str  # "writes and REST requests"; empty: nothing
    terms: Sequence[Term] = ()
    data: str = "none"  # what may be lost
    until_repaired: bool = False  # the cluster does not come back by itself
    notes: Sequence[str] = ()

    @property
    def shortest_s(self) -> float:
        """Return the least time."""
        return sum(term.shortest_s for term in self.terms)

    @property
    def average_s(self) -> float:
        """Return what to expect."""
        return sum(term.average_s for term in self.terms)

    @property
    def longest_s(self) -> float:
        """Return the most time that the settings allow."""
        return sum(term.longest_s for term in self.terms)

    @property
    def is_silent(self) -> bool:
        """Tell whether nobody notices anything."""
        return not self.terms and not self.until_repaired
