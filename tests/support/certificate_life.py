"""What tests do to a cluster's certificates, one change after the other, and what they keep."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cluster import Cluster
from tests.support.killed import Event, killed_run
from tests.support.live_certificates import (
    Listing,
    Own,
    authority,
    certificates,
    live,
    put_authority,
    told_by,
)
from tests.support.traffic import Traffic
from tests.unit.installer.pki.makers import DAY, Made, ca

PROOF, PATRONI = "certificates/proof", "database/patroni"
LEAVES = "3 of 4"  # the title of a rollover's step
STOPPED = (  # that clients would notice if it stopped for a certificate
    *("etcd", "patroni", "rabbitmq-server"),
    *("cloudify-restservice", "cloudify-mgmtworker", "haproxy", "nginx"),
)


class Informed(Cluster):
    """A cluster whose clients hold the CA that comes too, long before it issues anything."""

    @property
    def ca(self) -> Path:
        return self.inventory.parent / "handed-out.crt"


def hand_out(cluster: Cluster) -> Cluster:
    """Put the next CA into the folder, and give clients both."""
    coming = ca("The next CA", ends=3650 * DAY)
    put_authority(cluster, coming, "next-ca")
    informed = Informed(cluster.name, cluster.inventory)
    informed.ca.write_bytes(cluster.ca.read_bytes() + coming.pem)
    return informed


@dataclass
class Changed:
    """A change of all certificates, and of a service's; then one's own. Two runs are killed."""

    before: dict[str, str] = field(default_factory=dict)  # port → serial
    renewed: dict[str, str] = field(default_factory=dict)
    of_service: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    own: Made | None = None
    killed: list[Event] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)  # that the killed run left
    resumed: list[Event] = field(default_factory=list)
    serviced: list[Event] = field(default_factory=list)
    replacing: list[Event] = field(default_factory=list)  # killed
    replaced: list[Event] = field(default_factory=list)


@dataclass
class Rolled:
    """A change of the CA: killed, gone on with, refused while our own is of the old one."""

    killed: list[Event] = field(default_factory=list)
    status: Event = field(default_factory=dict)
    refused: subprocess.CompletedProcess[str] | None = None
    stays: Event = field(default_factory=dict)
    own: Made | None = None
    replaced: dict[str, str] = field(default_factory=dict)
    ended: list[Event] = field(default_factory=list)


@dataclass
class Life:
    """What clients saw, and what the runs told."""

    traffic: Traffic
    old_ca: bytes
    changed: Changed = field(default_factory=Changed)
    rolled: Rolled = field(default_factory=Rolled)


@dataclass
class Recovered:
    """A cluster whose CA had expired; its recovery was killed and gone on with."""

    dead: Listing
    renewal: subprocess.CompletedProcess[str]
    killed: list[Event]
    ended: list[Event]
    mended: Listing


def change_certificates(cluster: Cluster, seen: Changed) -> None:
    seen.before = live(cluster).serials
    seen.killed = killed(cluster, "renew", node_ended(PROOF))
    (left,) = cluster.inventory.parent.glob("*.runs/renewal.json")
    seen.record = json.loads(left.read_text())
    seen.resumed = told_by(cluster, "renew")
    seen.renewed = live(cluster).serials
    seen.serviced = told_by(cluster, "renew", "--service", "loadbalancer")
    seen.of_service = live(cluster).serials
    own = Own(cluster)
    seen.own = own.bring(authority(cluster))
    own.name()
    seen.replacing = killed(cluster, "replace", node_ended(PROOF))
    seen.replaced = told_by(cluster, "replace")
    seen.named = live(cluster).serials


def change_ca(cluster: Cluster, seen: Rolled) -> None:
    seen.killed = killed(cluster, "rollover", at_leaves())
    seen.status = told_by(cluster, "rollover", "--status")[-1]
    seen.refused = certificates(cluster, "rollover", "--json", check=False)
    seen.stays = told_by(cluster, "rollover", "--status")[-1]
    seen.own = Own(cluster).bring(authority(cluster))
    told_by(cluster, "replace")
    seen.replaced = live(cluster).serials
    seen.ended = told_by(cluster, "rollover")


def killed(cluster: Cluster, verb: str, when: Callable[[Event], bool]) -> list[Event]:
    return killed_run(cluster, ("certificates", verb, "-i", cluster.inventory), when)


def node_ended(phase: str) -> Callable[[Event], bool]:
    return lambda event: event["kind"] == "node-finished" and event["phase"] == phase


def at_leaves() -> Callable[[Event], bool]:
    """Return the middle of a rollover: nodes have some of their certificates of the new CA."""
    texts: list[str] = []

    def is_middle(event: Event) -> bool:
        texts.append(event.get("text", ""))
        return any(LEAVES in text for text in texts) and event.get("phase") == PATRONI

    return is_middle


def changes_in(events: list[Event], phase: str) -> dict[str, list[str]]:
    """Return what each node of a phase changed."""
    return {event["node"]: event["changes"] for event in events if node_ended(phase)(event)}


def restarted(events: list[Event]) -> set[str]:
    """Return the services that clients would miss and that a run has restarted."""
    changes = {
        change
        for event in events
        for change in event.get("changes", ())
        if event["kind"] == "node-finished" and change.startswith("restart")
    }
    return {unit for unit in STOPPED for change in changes if unit in change}


def divided(events: list[Event], title: str) -> tuple[list[Event], list[Event]]:
    """Return what was told before a step of a rollover, and from then on."""
    index = next(i for i, event in enumerate(events) if title in event.get("text", ""))
    return events[:index], events[index:]
