"""What the cluster should consist of, and what its nodes reported, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class NodeType(StrEnum):
    """The services of a cluster that consist of nodes, in the order that clients show."""

    MANAGER = "manager"
    BROKER = "broker"
    DB = "db"


class Health(StrEnum):
    """The state of a node, a service or the cluster."""

    OK = "OK"
    DEGRADED = "Degraded"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node that the cluster should have."""

    name: str
    private_ip: str
    public_ip: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a node last said of itself; `received_at` by the database's clock."""

    private_ip: str
    received_at: datetime
    frequency_s: int
    is_ok: bool
    services: Mapping[str, Any]

    def is_stale(self, now: datetime) -> bool:
        """Tell whether two reports in a row are missing."""
        return now - self.received_at > timedelta(seconds=2 * self.frequency_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterService:
    """One service of the cluster: its nodes and their reports by private address."""

    type: NodeType
    nodes: Sequence[Node]
    reports: Mapping[str, Report]
    is_external: bool = False
