"""The certificates of a cluster that works: renewed, replaced, rolled over, watched, expired.

One life of one cluster, told by fixtures that follow each other. Clients work while a renewal is
killed and gone on with, while a certificate of our own is named for the first time, and while the
CA changes, killed in its middle too; a timer of systemd warns, then renews; at last everything
expires, the CA included.
"""

import json
import os
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from installer.errors import ConfigError, Refused
from installer.expand import certificate_requests
from installer.foresight.forecast import Loss
from installer.inventory import load_inventory
from installer.pki.facts import issuer_name, read_facts
from installer.pki.store import CertificateStore
from installer.sandbox import record
from tests.support.cluster import Cluster, tool, wait_until
from tests.support.controller import FOLDER, Fired, HostTimer, carry
from tests.support.expiry import expire
from tests.support.killed import Event, events_of, finished, killed_run
from tests.support.live_certificates import (
    Listing,
    Own,
    authority,
    certificates,
    live,
    put_authority,
    told_by,
)
from tests.support.losses import predicted, say
from tests.support.sandbox import sandbox_of
from tests.support.tls import trusting
from tests.support.traffic import (
    Traffic,
    assert_no_request_failed,
    assert_nothing_lost,
    traffic,
)
from tests.unit.installer.pki.makers import DAY, Made, ca

pytestmark = pytest.mark.cluster

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
PORTS, ISSUED = 29, 15
OWN_PORTS = {f"{node}:443" for node in MANAGERS}
BALANCER_PORTS = {f"{BALANCER}:443", f"{BALANCER}:53333"}
LOADED_S = 3  # what two cores that carry all hosts add
WRITER_RETRY_S = 0.2
PUBLISHING_RESUMES_S = 30  # the figure of test_losses.py for a broker's end without warning
STOPPED = (  # that clients would notice if it stopped for a certificate
    *("etcd", "patroni", "rabbitmq-server"),
    *("cloudify-restservice", "cloudify-mgmtworker", "haproxy", "nginx"),
)
PROOF, PATRONI = "certificates/proof", "database/patroni"
LEAVES, WITHDRAWN = "3 of 4", "4 of 4"
LEAVE = "Take no more requests"
UNIT = "cfy_manager-certificates-live"


@pytest.fixture(scope="module")
def compact(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
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


@dataclass
class Changed:
    """A change of all certificates: killed, gone on with; then by service, then one's own."""

    before: dict[str, str] = field(default_factory=dict)  # port → serial
    renewed: dict[str, str] = field(default_factory=dict)
    of_service: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    own: Made | None = None
    killed: list[Event] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)  # that the killed run left
    resumed: list[Event] = field(default_factory=list)
    serviced: list[Event] = field(default_factory=list)
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


@pytest.fixture(scope="module")
def life(compact: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Clients keep the file of CAs of the time when they began, as programs do."""
    old_ca = compact.ca.read_bytes()
    informed = hand_out(compact)
    folder = tmp_path_factory.mktemp("life") / f"life-{secrets.token_hex(3)}"
    with ExitStack() as stack:
        seen = Life(stack.enter_context(traffic(informed, folder)), old_ca)
        change_certificates(compact, seen.changed)
        change_ca(compact, seen.rolled)
    return seen


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


def test_nothing_acknowledged_is_lost(life):
    assert_nothing_lost(life.traffic)


def test_no_request_fails(life):
    assert_no_request_failed(life.traffic)


def test_clients_pause_no_longer_than_for_a_switchover(life, compact):
    """Writes may pause for a switchover, messages for a broker's end."""
    forecast = predicted(compact, Loss.SWITCHOVER)
    say(f"forecast of a switchover: at most {forecast.longest_s:.1f} s")

    assert life.traffic.rows.longest_gap_s() <= forecast.longest_s + WRITER_RETRY_S + LOADED_S
    assert life.traffic.messages.longest_gap_s() < PUBLISHING_RESUMES_S


def differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() <= after.keys()
    return {port for port, serial in after.items() if before.get(port) != serial}


def test_every_port_shows_another_certificate(life):
    seen = life.changed

    assert differing(seen.before, seen.renewed) == set(seen.renewed)
    assert len(seen.renewed) == PORTS
    assert "" not in seen.renewed.values()


def test_the_next_run_issues_nothing_that_the_killed_one_has_issued(life):
    seen, membership = life.changed, "database/membership"
    told = [event["text"] for event in seen.resumed if event["kind"] == "message"]

    assert len(seen.record["old"]) == ISSUED
    assert any(f"{ISSUED} certificates were issued by the run before" in text for text in told)
    assert finished(seen.killed, membership) == {"node-1": "changed"}
    assert finished(seen.resumed, membership)["node-1"] == "unchanged"


def test_a_renewal_of_a_service_changes_its_ports_only(life):
    assert differing(life.changed.renewed, life.changed.of_service) == BALANCER_PORTS


def test_a_certificate_of_one_s_own_that_is_newly_named_is_shown(life):
    """nginx has to be told of it, too: until then its port showed the node's own."""
    seen = life.changed

    assert differing(seen.of_service, seen.named) == OWN_PORTS
    assert {int(seen.named[p], 16) for p in OWN_PORTS} == {seen.own.certificate.serial_number}


def test_renewal_and_replacement_restart_nothing_that_clients_see(life):
    seen = life.changed

    assert restarted([*seen.killed, *seen.resumed, *seen.serviced, *seen.replaced]) == set()


def test_managers_leave_the_load_balancer_before_they_restart(life):
    both_trusted, _ = divided(life.rolled.killed, LEAVES)
    turns = changes_in(both_trusted, "manager/services")

    assert set(turns) == set(MANAGERS)
    for changes in turns.values():
        assert changes.index(LEAVE) < changes.index("restart cloudify-restservice.service")


def test_a_killed_rollover_is_told_and_gone_on_with(life):
    goes_on = "This goes on with the change of the CA that was begun."
    seen = life.rolled

    assert seen.status["progress"] == "issuing"
    for said in (events_of(seen.refused.stdout), seen.ended):
        assert goes_on in [event.get("text") for event in said]
    assert seen.ended[-1]["progress"] == "none"


def test_the_old_ca_stays_while_it_has_issued_a_certificate_of_one_s_own(life):
    seen = life.rolled

    assert seen.refused.returncode == Refused.exit_code
    assert "settings.ssl_inputs.external_cert_path" in seen.refused.stderr
    assert "cfy_manager certificates replace" in seen.refused.stderr
    assert seen.stays["progress"] == "issuing"
    assert {int(seen.replaced[p], 16) for p in OWN_PORTS} == {seen.own.certificate.serial_number}


def test_each_step_is_proved_on_every_port_and_link(life):
    told = [*life.rolled.killed, *events_of(life.rolled.refused.stdout), *life.rolled.ended]
    proofs = [event["text"] for event in told if event.get("text", "").startswith("Proved")]

    say("\n".join(proofs))
    both, *leaves, new = proofs
    assert "ports take a certificate of the new CA" in both
    assert "ports refuse the certificate of the old CA" in new
    assert len(leaves) == 2
    for proof in proofs:
        assert f"{PORTS} ports show their present certificate" in proof


def test_certificates_of_another_ca_restart_nothing_while_both_are_trusted(life):
    """Only trust does, which services read when they start."""
    _, interrupted = divided(life.rolled.killed, LEAVES)
    again, _ = divided(life.rolled.ended, WITHDRAWN)

    assert restarted([*interrupted, *events_of(life.rolled.refused.stdout), *again]) == set()


def test_every_client_meets_the_new_ca_alone(life, compact, tmp_path):
    old = tmp_path / "old-ca.crt"
    old.write_bytes(life.old_ca)

    assert shown_to(compact, compact.ca) == read_facts(compact.ca.read_bytes()).common_name
    with pytest.raises(ssl.SSLCertVerificationError):
        shown_to(compact, old)


def shown_to(cluster: Cluster, trusted: Path) -> str:
    """Return who issued what the load balancer shows to a client."""
    with (
        cluster.network(),
        socket.create_connection((cluster.entry, 443), timeout=10) as plain,
        trusting(trusted).wrap_socket(plain, server_hostname=cluster.entry) as secure,
    ):
        found = secure.getpeercert(binary_form=True)
    return issuer_name(x509.load_der_x509_certificate(found or b""))


def test_an_unfit_certificate_of_one_s_own_is_refused_before_any_change(life, compact):
    own, before = Own(compact), live(compact)
    kept = own.files()
    own.bring(authority(compact), begins=-3 * DAY, ends=-DAY)
    try:
        said = certificates(compact, "replace", check=False)
    finally:
        for name, content in kept.items():
            (own.folder / name).write_bytes(content)

    assert said.returncode == ConfigError.exit_code
    assert "it expired" in said.stderr
    assert live(compact) == before


def test_what_is_not_begun_cannot_turn_back(life, compact):
    said = certificates(compact, "rollover", "--back", check=False)

    assert said.returncode == Refused.exit_code
    assert "no change of the CA is under way" in said.stderr


@dataclass(frozen=True)
class Watched:
    """A host that holds the inventory, and is warned, then allowed to renew."""

    enabled: str
    warned: Fired
    renewed: Fired
    issued: str  # by the host
    shown: str
    left: str  # of the units, after `disable`


@pytest.fixture(scope="module")
def watched(life: Life, compact: Cluster) -> Watched:
    """node-1 plays the controller."""
    short = [r for r in certificate_requests(load_inventory(compact.inventory)) if r.node == "lb-1"]
    CertificateStore(compact.certificates, days=2).reissue(short)
    host = NODES[0]
    carry(compact, host)
    timer = HostTimer(compact, host, UNIT, "certificates timer")
    enabled, warned = timer.enable(), timer.fire()
    timer.enable("--renew")
    renewed = timer.fire()
    issued = compact.sh(host, f"cat {FOLDER}/certificates/nodes/{BALANCER}/node.crt")
    left = timer.disable()
    compact.sh(host, f"rm -r {FOLDER}")
    return Watched(
        enabled=enabled,
        warned=warned,
        renewed=renewed,
        issued=read_facts(issued.encode()).serial_text,
        shown=live(compact).serials[f"{BALANCER}:443"],
        left=left,
    )


def test_the_timer_warns_of_what_ends_soon_by_a_failed_unit(watched):
    ends = f"nodes/{BALANCER}/node.crt ends in 1 days"

    assert watched.enabled == "enabled"
    assert watched.warned.state == "failed"
    assert any(ends in line for line in watched.warned.warnings)


def test_the_timer_renews_where_it_may_and_has_nothing_to_tell_then(watched):
    assert watched.renewed == Fired("inactive", [])
    assert watched.shown == watched.issued


def test_the_timer_leaves_nothing_when_it_is_disabled(watched):
    assert "0 unit files listed" in watched.left


@pytest.fixture(scope="module")
def renewed_after_expiry(watched: Watched, compact: Cluster) -> tuple[Listing, Listing]:
    """What ports showed before and after a recovery."""
    dead = expired(compact)
    told_by(compact, "renew")
    await_whole(compact)
    return dead, live(compact)


def test_a_cluster_whose_certificates_have_all_expired_is_renewed(renewed_after_expiry):
    dead, mended = renewed_after_expiry

    assert_dead(dead)
    assert_all_are_current(mended)


@dataclass
class Recovered:
    """A cluster whose CA had expired; its recovery was killed and gone on with."""

    dead: Listing
    renewal: subprocess.CompletedProcess[str]
    killed: list[Event]
    ended: list[Event]
    mended: Listing


@pytest.fixture(scope="module")
def recovered(renewed_after_expiry: tuple[Listing, Listing], compact: Cluster) -> Recovered:
    """Our own certificate is not the installer's to issue: it is replaced before."""
    dead = expired(compact, with_ca=True)
    renewal = certificates(compact, "renew", check=False)
    told_by(compact, "rollover", "--until", "trust")
    Own(compact).bring(authority(compact, "next-ca"))
    interrupted = killed(compact, "rollover", node_ended(PATRONI))
    ended = told_by(compact, "rollover")
    await_whole(compact)
    return Recovered(dead, renewal, interrupted, ended, live(compact))


def test_a_cluster_whose_ca_has_expired_is_not_renewed(recovered):
    assert recovered.renewal.returncode == ConfigError.exit_code
    assert "certificates rollover" in recovered.renewal.stderr


def test_a_cluster_whose_ca_has_expired_gets_another_though_the_run_is_killed(recovered, compact):
    assert_dead(recovered.dead)
    assert "changed" in finished(recovered.killed, PATRONI).values()
    assert recovered.ended[-1]["progress"] == "none"
    assert_all_are_current(recovered.mended)
    assert shown_to(compact, compact.ca) == read_facts(compact.ca.read_bytes()).common_name


def test_an_install_after_all_this_would_change_nothing(recovered, compact):
    plan = compact.manage("cluster", "plan", "-i", compact.inventory, "--json", check=False)

    say(plan.stdout)
    assert json.loads(plan.stdout)["changes"] == []


def assert_dead(seen: Listing) -> None:
    """Demand that only our own certificates were fit for anybody."""
    assert seen.code == 1
    fit = {f"{p['node']}:{p['port']}" for p in seen.ports if p["current"] and not p["fault"]}
    assert fit == OWN_PORTS


def assert_all_are_current(seen: Listing) -> None:
    assert seen.code == 0
    assert len(seen.ports) == PORTS


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
