"""The certificates of a cluster that works: renewed, replaced, rolled over, watched, expired.

One life of one cluster, told by fixtures that follow each other. Clients work while a renewal is
killed and gone on with, while a certificate of our own is named for the first time, by a run that
is killed too, and while the CA changes, killed in its middle as well; a timer of systemd warns,
then renews; everything expires, the CA included; at last our own certificate is taken away again.
"""

import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.expand import certificate_requests
from installer.inventory import load_inventory
from installer.pki.facts import read_facts
from installer.pki.store import CertificateStore
from installer.sandbox import record
from tests.support.certificate_life import (
    PATRONI,
    Life,
    Recovered,
    change_ca,
    change_certificates,
    hand_out,
    killed,
    node_ended,
)
from tests.support.cluster import Cluster, tool, wait_until
from tests.support.controller import FOLDER, Fired, HostTimer, carry
from tests.support.expiry import expire
from tests.support.killed import Event
from tests.support.live_certificates import Listing, Own, authority, certificates, live, told_by
from tests.support.losses import say
from tests.support.sandbox import sandbox_of
from tests.support.traffic import traffic

NODES = ("node-1", "node-2", "node-3")
MANAGERS, BALANCER = NODES[:2], "lb-1"
INVENTORY: dict[str, Any] = {
    "cluster": {"name": "live"},
    "nodes": [
        *(
            {
                "name": name,
                "address": f"10.77.0.1{number}",
                "roles": ["database", "queue", *(["manager"] if name in MANAGERS else [])],
            }
            for number, name in enumerate(NODES, 1)
        ),
        {"name": BALANCER, "address": "10.77.0.14", "roles": ["loadbalancer"]},
    ],
    "load_balancer": {"address": "10.77.0.14"},
    "waive": ["queue-beside-database", "single-load-balancer"],
    "settings": {"postgresql_server": {"config": {"shared_buffers": "128MB"}}},
}
PORTS = 29
OWN_PORTS = {f"{node}:443" for node in MANAGERS}
UNIT = "cfy_manager-certificates-live"


@pytest.fixture(scope="package")
def certified(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three databases and brokers, two of them managers, behind a load balancer.

    CFY_TEST_CERTIFICATES names a sandbox that has them already.
    """
    if name := os.environ.get("CFY_TEST_CERTIFICATES"):
        yield Cluster(name, record.sandbox_dir(name) / "cluster" / "inventory.yaml")
        return
    source = tmp_path_factory.mktemp("live") / "inventory.yaml"
    source.write_text(yaml.safe_dump(INVENTORY))
    with sandbox_of("certificates", source) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        cluster.install()
        yield cluster


@pytest.fixture(scope="package")
def life(certified: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Clients keep the file of CAs of the time when they began, as programs do."""
    old_ca = certified.ca.read_bytes()
    informed = hand_out(certified)
    folder = tmp_path_factory.mktemp("life") / f"life-{secrets.token_hex(3)}"
    with traffic(informed, folder) as clients:
        seen = Life(clients, old_ca)
        change_certificates(certified, seen.changed)
        change_ca(certified, seen.rolled)
    return seen


@dataclass(frozen=True)
class Watched:
    """A host that holds the inventory, and is warned, then allowed to renew."""

    enabled: str
    warned: Fired
    renewed: Fired
    issued: str  # by the host
    shown: str
    left: str  # of the units, after `disable`


@pytest.fixture(scope="package")
def watched(life: Life, certified: Cluster) -> Watched:
    """node-1 plays the controller."""
    requests = certificate_requests(load_inventory(certified.inventory))
    short = [request for request in requests if request.node == BALANCER]
    CertificateStore(certified.certificates, days=2).reissue(short)
    host = NODES[0]
    carry(certified, host)
    timer = HostTimer(certified, host, UNIT, "certificates timer")
    enabled, warned = timer.enable(), timer.fire()
    timer.enable("--renew")
    renewed = timer.fire()
    issued = certified.sh(host, f"cat {FOLDER}/certificates/nodes/{BALANCER}/node.crt")
    left = timer.disable()
    certified.sh(host, f"rm -r {FOLDER}")
    return Watched(
        enabled=enabled,
        warned=warned,
        renewed=renewed,
        issued=read_facts(issued.encode()).serial_text,
        shown=live(certified).serials[f"{BALANCER}:443"],
        left=left,
    )


@pytest.fixture(scope="package")
def renewed_after_expiry(watched: Watched, certified: Cluster) -> tuple[Listing, Listing]:
    """What ports showed before and after a recovery."""
    dead = expired(certified)
    told_by(certified, "renew")
    await_whole(certified)
    return dead, live(certified)


@pytest.fixture(scope="package")
def recovered(renewed_after_expiry: tuple[Listing, Listing], certified: Cluster) -> Recovered:
    """Our own certificate is not the installer's to issue: it is replaced before."""
    dead = expired(certified, with_ca=True)
    renewal = certificates(certified, "renew", check=False)
    told_by(certified, "rollover", "--until", "trust")
    Own(certified).bring(authority(certified, "next-ca"))
    interrupted = killed(certified, "rollover", node_ended(PATRONI))
    ended = told_by(certified, "rollover")
    await_whole(certified)
    return Recovered(dead, renewal, interrupted, ended, live(certified))


@dataclass(frozen=True)
class TakenAway:
    """Our own certificate is no longer named."""

    before: dict[str, str]  # port → serial
    after: dict[str, str]
    told: list[Event]


@pytest.fixture(scope="package")
def taken_away(recovered: Recovered, certified: Cluster) -> TakenAway:
    Own(certified).name_no_more()
    told = told_by(certified, "replace")
    return TakenAway(recovered.mended.serials, live(certified).serials, told)


def expired(cluster: Cluster, *, with_ca: bool = False) -> Listing:
    """Let everything have expired, and return what ports show when nobody is served any more."""
    began = time.monotonic()
    expire(cluster, with_ca=with_ca)
    wait_until(lambda: not answers(cluster), "nobody is served", timeout_s=60)
    say(f"everything has expired: {time.monotonic() - began:.1f} s")
    return live(cluster)


def await_whole(cluster: Cluster) -> None:
    took_s = wait_until(
        lambda: answers(cluster) and healthy(cluster), "the cluster is healthy", timeout_s=60
    )
    say(f"healthy {took_s:.1f} s after the recovery")


def answers(cluster: Cluster) -> bool:
    """Tell whether a client of the cluster is served."""
    url = f"https://{cluster.entry}/api/v3.1/status"
    words = ("curl", "-sS", "--max-time", "3", "--cacert", cluster.ca, "-o", os.devnull)
    said = cluster.beside(*words, "-w", "%{http_code}", url, check=False)
    return said.stdout.strip() == "401"


def healthy(cluster: Cluster) -> bool:
    words = ("cluster", "status", "-i", str(cluster.inventory), "--json")
    return cluster.manage(*words, check=False).returncode == 0
