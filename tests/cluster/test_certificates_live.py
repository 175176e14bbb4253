"""The certificates of a cluster that works: renewed, replaced, rolled over, expired.

One life of one cluster, told by fixtures that follow each other: clients work while a renewal is
killed and gone on with and while both CAs become trusted, then while a rollover is killed in its
middle; at last everything expires, the CA included.
"""

import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from installer.errors import ConfigError, Refused
from installer.foresight.forecast import Loss
from installer.pki.facts import read_facts
from installer.sandbox import record
from tests.support.cluster import TOOL, Cluster, tool, wait_until
from tests.support.ledger import program
from tests.support.losses import predicted, say
from tests.support.sandbox import sandbox_of
from tests.support.tls import trusting
from tests.support.traffic import (
    Traffic,
    assert_no_request_failed,
    assert_nothing_lost,
    traffic,
)
from tests.unit.installer.pki.makers import DAY, Made, Recipe, ca, leaf, make

pytestmark = pytest.mark.cluster

NODES = ("node-1", "node-2", "node-3")
ENTRY, BALANCER = "10.77.0.14", "lb-1"
INVENTORY: dict[str, Any] = {
    "cluster": {"name": "live"},
    "nodes": [
        *(
            {
                "name": name,
                "address": f"10.77.0.1{number}",
                "roles": ["database", "queue", "manager"],
            }
            for number, name in enumerate(NODES, 1)
        ),
        {"name": BALANCER, "address": ENTRY, "roles": ["loadbalancer"]},
    ],
    "load_balancer": {"address": ENTRY},
    "waive": ["queue-beside-database", "single-load-balancer"],
    "settings": {"postgresql_server": {"config": {"shared_buffers": "128MB"}}},
}
PORTS = 32
HOUR = timedelta(hours=1)
LOADED_S = 3  # what two cores that carry all hosts add
WRITER_RETRY_S = 0.2
PUBLISHING_RESUMES_S = 30  # the figure of test_losses.py for a broker's end without warning
STOPPED = (  # that clients would notice if it stopped for a certificate
    *("etcd", "patroni", "rabbitmq-server"),
    *("cloudify-restservice", "cloudify-mgmtworker", "haproxy", "nginx"),
)
PROOF = "certificates/proof"  # a renewal is killed when its first node is proved
LEAVES, PATRONI = "3 of 4", "database/patroni"  # a rollover, while nodes get their certificates
LEAVE = "Take no more requests"
Event = dict[str, Any]


@pytest.fixture(scope="module")
def compact(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes that do everything; on port 443 managers show a certificate of our own.

    CFY_TEST_CERTIFICATES names a sandbox that has them already.
    """
    if name := os.environ.get("CFY_TEST_CERTIFICATES"):
        yield Cluster(name, record.sandbox_dir(name) / "cluster" / "inventory.yaml")
        return
    source = described(tmp_path_factory.mktemp("live"))
    with sandbox_of("certificates", source) as made:
        yield installed(made.name, source, bundle)


def described(folder: Path) -> Path:
    """Write the inventory, and what must lie where it says."""
    bring(folder, ca("of nobody"))
    settings = INVENTORY["settings"] | {"ssl_inputs": brought(folder)}
    source = folder / "inventory.yaml"
    source.write_text(yaml.safe_dump(INVENTORY | {"settings": settings}))
    return source


def installed(name: str, source: Path, bundle: Path) -> Cluster:
    found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
    cluster = Cluster(name, Path(found.strip()))
    certificates(cluster, "generate")
    bring(brought_folder(cluster), authority(cluster))
    cluster.install()
    return cluster


def brought(folder: Path) -> dict[str, str]:
    return {
        "external_cert_path": str(folder / "own.crt"),
        "external_key_path": str(folder / "own.key"),
        "external_ca_cert_path": str(folder / "own-ca.crt"),
    }


def bring(folder: Path, issuer: Made, **changes: Any) -> Made:
    """Put a certificate of our own where the settings name it."""
    hosts = (*NODES, *(f"10.77.0.1{number}" for number in (1, 2, 3)), ENTRY)
    made = leaf(issuer, name="cloudify.example", hosts=hosts, **changes)
    (folder / "own.crt").write_bytes(made.pem)
    (folder / "own.key").write_bytes(made.key_pem())
    (folder / "own-ca.crt").write_bytes(issuer.pem)
    return made


def authority(cluster: Cluster, stem: str = "ca") -> Made:
    """Return a CA of the cluster's folder."""
    folder = cluster.certificates
    return Made(
        certificate=x509.load_pem_x509_certificate((folder / f"{stem}.crt").read_bytes()),
        key=load_pem_private_key((folder / f"{stem}.key").read_bytes(), None),
    )


def brought_folder(cluster: Cluster) -> Path:
    return Path(cluster.document["settings"]["ssl_inputs"]["external_cert_path"]).parent


def certificates(cluster: Cluster, *words: str, **options: Any) -> Any:
    verb, *rest = words
    return cluster.manage("certificates", verb, "-i", str(cluster.inventory), *rest, **options)


def events_of(said: str) -> list[Event]:
    return [json.loads(line) for line in said.splitlines()]


def told_by(cluster: Cluster, *words: str) -> list[Event]:
    """Run one of `certificates` to its end and return its events."""
    began = time.monotonic()
    events = events_of(certificates(cluster, *words, "--json").stdout)
    say(f"certificates {' '.join(words)}: {time.monotonic() - began:.1f} s")
    return events


def killed(cluster: Cluster, verb: str, is_middle: Any) -> list[Event]:
    """Begin one of `certificates`, kill it in its middle, and return its events."""
    words = ("certificates", verb, "-i", str(cluster.inventory), "--json")
    command = (*TOOL, "sandbox", "exec", cluster.name, "--", *TOOL, *words)
    events: list[Event] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if is_middle(events):
                process.kill()
    return events


def live(cluster: Cluster) -> tuple[int, list[dict[str, Any]]]:
    """Return exit code and ports of `certificates list --live`."""
    said = certificates(cluster, "list", "--live", "--json", check=False)
    return said.returncode, json.loads(said.stdout)["ports"]


def serials(cluster: Cluster) -> dict[str, str]:
    return {f"{port['node']}:{port['port']}": port.get("serial", "") for port in live(cluster)[1]}


def own_ports(cluster: Cluster) -> set[str]:
    return {f"{node}:443" for node in cluster.having("manager")}


def ended(events: list[Event], phase: str) -> list[Event]:
    return [e for e in events if e["kind"] == "node-finished" and e["phase"] == phase]


def outcomes(events: list[Event], phase: str) -> dict[str, str]:
    return {event["node"]: event["outcome"] for event in ended(events, phase)}


def restarted(events: list[Event]) -> set[str]:
    """Return the services that clients would miss and that a run has restarted."""
    changes = {
        change
        for event in events
        for change in event.get("changes", ())
        if event["kind"] == "node-finished" and change.startswith("restart")
    }
    return {unit for unit in STOPPED for change in changes if unit in change}


@dataclass
class Renewed:
    """A renewal that was killed and gone on with, and both CAs trusted, under one traffic."""

    traffic: Traffic | None = None
    before: dict[str, str] = field(default_factory=dict)  # port → serial
    after: dict[str, str] = field(default_factory=dict)
    killed: list[Event] = field(default_factory=list)
    resumed: list[Event] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)  # that the killed run left
    trusting: list[Event] = field(default_factory=list)
    old_ca: bytes = b""


@pytest.fixture(scope="module")
def renewed(compact: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Renewed:
    """Clients keep the file of CAs of the time when they began, as programs do."""
    seen = Renewed(before=serials(compact), old_ca=compact.ca.read_bytes())
    folder = tmp_path_factory.mktemp("renewed") / f"renew-{secrets.token_hex(3)}"
    with traffic(compact, folder) as seen.traffic:
        seen.killed = killed(compact, "renew", lambda told: bool(ended(told, PROOF)))
        (left,) = compact.inventory.parent.glob("*.runs/renewal.json")
        seen.record = json.loads(left.read_text())
        seen.resumed = told_by(compact, "renew")
        seen.after = serials(compact)
        seen.trusting = told_by(compact, "rollover", "--until", "trust")
    return seen


def test_nothing_acknowledged_is_lost_by_a_renewal(renewed):
    assert_nothing_lost(renewed.traffic)


def test_no_request_fails_while_certificates_and_trust_change(renewed):
    assert_no_request_failed(renewed.traffic)


def assert_pauses_are_short(cluster: Cluster, seen: Traffic) -> None:
    """Demand what a switchover may take of writes, and a broker's end of messages."""
    forecast = predicted(cluster, Loss.SWITCHOVER)
    say(f"forecast of a switchover: at most {forecast.longest_s:.1f} s")
    assert seen.rows.longest_gap_s() <= forecast.longest_s + WRITER_RETRY_S + LOADED_S
    assert seen.messages.longest_gap_s() < PUBLISHING_RESUMES_S


def test_clients_of_a_renewal_pause_no_longer_than_for_a_switchover(renewed, compact):
    assert_pauses_are_short(compact, renewed.traffic)


def test_every_port_of_the_cluster_s_ca_shows_another_certificate(renewed, compact):
    same = {port for port, serial in renewed.before.items() if renewed.after[port] == serial}

    assert same == own_ports(compact)
    assert len(renewed.after) == PORTS
    assert "" not in renewed.after.values()


def test_the_next_run_issues_nothing_that_the_killed_one_has_issued(renewed):
    told = [event["text"] for event in renewed.resumed if event["kind"] == "message"]

    assert len(renewed.record["old"]) == 16
    assert any("16 certificates were issued by the run before" in text for text in told)
    assert outcomes(renewed.killed, "database/membership") == {"node-1": "changed"}
    assert outcomes(renewed.resumed, "database/membership")["node-1"] == "unchanged"


def test_a_renewal_restarts_nothing_that_clients_see(renewed):
    assert restarted([*renewed.killed, *renewed.resumed]) == set()


def test_managers_leave_the_load_balancer_before_they_restart(renewed, compact):
    turns = {e["node"]: e["changes"] for e in ended(renewed.trusting, "manager/services")}

    assert set(turns) == set(compact.having("manager"))
    for changes in turns.values():
        assert changes.index(LEAVE) < changes.index("restart cloudify-restservice.service")


@dataclass(frozen=True)
class Replaced:
    """What ports showed before and after a certificate of our own was replaced."""

    made: Made
    before: dict[str, str]
    after: dict[str, str]
    said: str


@pytest.fixture(scope="module")
def replaced(renewed: Renewed, compact: Cluster) -> Replaced:
    """While both CAs are trusted; the new one has issued it, so it outlives the old one."""
    made = bring(brought_folder(compact), authority(compact, "next-ca"))
    said = certificates(compact, "replace").stdout
    return Replaced(made, renewed.after, serials(compact), said)


def test_a_certificate_of_one_s_own_is_replaced_and_nothing_else(replaced, compact):
    after = replaced.after
    changed = {port for port, serial in after.items() if serial != replaced.before[port]}

    assert changed == own_ports(compact)
    assert {int(after[port], 16) for port in changed} == {replaced.made.certificate.serial_number}
    assert f"{PORTS} ports show what is configured" in replaced.said


def test_an_unfit_certificate_of_one_s_own_is_refused_before_any_change(replaced, compact):
    folder = brought_folder(compact)
    kept = {path: path.read_bytes() for path in folder.glob("own*")}
    bring(folder, authority(compact, "next-ca"), begins=-3 * DAY, ends=-DAY)
    try:
        said = certificates(compact, "replace", check=False)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)

    assert said.returncode == ConfigError.exit_code
    assert "it expired" in said.stderr
    assert serials(compact) == replaced.after


@dataclass
class Rolled:
    """The rest of the rollover: killed in its middle and gone on with under load."""

    traffic: Traffic | None = None
    killed: list[Event] = field(default_factory=list)
    status: Event = field(default_factory=dict)
    resumed: list[Event] = field(default_factory=list)


@pytest.fixture(scope="module")
def rolled(
    renewed: Renewed, replaced: Replaced, compact: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Rolled:
    """Its clients trust both CAs: they have got the file that the step before has made."""
    seen = Rolled()
    folder = tmp_path_factory.mktemp("rolled") / f"roll-{secrets.token_hex(3)}"
    with traffic(compact, folder) as seen.traffic:
        seen.killed = killed(compact, "rollover", is_at_leaves)
        seen.status = told_by(compact, "rollover", "--status")[-1]
        seen.resumed = told_by(compact, "rollover")
    return seen


def is_at_leaves(told: list[Event]) -> bool:
    began = any(LEAVES in event.get("text", "") for event in told)
    return began and told[-1].get("phase") == PATRONI


def test_nothing_acknowledged_is_lost_by_a_rollover(rolled):
    assert_nothing_lost(rolled.traffic)


def test_no_request_fails_during_a_rollover(rolled):
    assert_no_request_failed(rolled.traffic)


def test_clients_of_a_rollover_pause_no_longer_than_for_a_switchover(rolled, compact):
    assert_pauses_are_short(compact, rolled.traffic)


def test_a_killed_rollover_is_told_and_gone_on_with(rolled):
    goes_on = "This goes on with the change of the CA that was begun."

    assert rolled.killed[-1].get("kind") != "summary"
    assert rolled.status["progress"] == "issuing"
    assert goes_on in [event.get("text") for event in rolled.resumed]
    assert rolled.resumed[-1]["progress"] == "none"


def test_each_step_is_proved_on_every_port_and_link(renewed, rolled):
    told = [*renewed.trusting, *rolled.killed, *rolled.resumed]
    proofs = [event["text"] for event in told if event.get("text", "").startswith("Proved")]

    say("\n".join(proofs))
    both, *_, leaves, new = proofs
    assert "ports take a certificate of the new CA" in both
    assert "ports refuse the certificate of the old CA" in new
    for proof in (both, leaves, new):
        assert f"{PORTS} ports show their present certificate" in proof


def test_certificates_of_another_ca_restart_nothing_while_both_are_trusted(rolled):
    """Only trust does, which services read when they start."""
    first = [*rolled.killed, *until_title(rolled.resumed, "4 of 4")]

    assert restarted(first) == set()


def until_title(events: list[Event], title: str) -> list[Event]:
    ends = next(i for i, event in enumerate(events) if title in event.get("text", ""))
    return events[:ends]


def test_every_client_meets_the_new_ca_alone(renewed, rolled, compact, tmp_path):
    old = tmp_path / "old-ca.crt"
    old.write_bytes(renewed.old_ca)

    assert shown_to(compact, compact.ca) == read_facts(compact.ca.read_bytes()).common_name
    with pytest.raises(ssl.SSLCertVerificationError):
        shown_to(compact, old)


def shown_to(cluster: Cluster, trusted: Path) -> str:
    """Return who issued what the load balancer shows to a client."""
    with (
        cluster.network(),
        socket.create_connection((ENTRY, 443), timeout=10) as plain,
        trusting(trusted).wrap_socket(plain, server_hostname=ENTRY) as secure,
    ):
        found = secure.getpeercert(binary_form=True)
    return x509_issuer(found or b"")


def x509_issuer(der: bytes) -> str:
    issuer = x509.load_der_x509_certificate(der).issuer
    (name,) = issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


def test_what_is_not_begun_cannot_turn_back(rolled, compact):
    said = certificates(compact, "rollover", "--back", check=False)

    assert said.returncode == Refused.exit_code
    assert "no change of the CA is under way" in said.stderr


@dataclass(frozen=True)
class Recovered:
    """What `list --live` told before and after a recovery, and whether clients were served."""

    before: tuple[int, list[dict[str, Any]]]
    after: tuple[int, list[dict[str, Any]]]
    refusal: Any = None


@pytest.fixture(scope="module")
def renewed_after_expiry(rolled: Rolled, compact: Cluster) -> Recovered:
    before = expire(compact)
    told_by(compact, "renew")
    await_whole(compact)
    return Recovered(before, live(compact))


def test_a_cluster_whose_certificates_have_all_expired_is_renewed(renewed_after_expiry, compact):
    assert_dead(renewed_after_expiry.before)
    assert_all_are_current(renewed_after_expiry.after)


@pytest.fixture(scope="module")
def rolled_after_expiry(renewed_after_expiry: Recovered, compact: Cluster) -> Recovered:
    """Our own certificate is not the installer's to issue: it is replaced before."""
    before = expire(compact, with_ca=True)
    refusal = certificates(compact, "renew", check=False)
    told_by(compact, "rollover", "--until", "trust")
    bring(brought_folder(compact), authority(compact, "next-ca"))
    told_by(compact, "rollover")
    await_whole(compact)
    return Recovered(before, live(compact), refusal)


def test_a_cluster_whose_ca_has_expired_is_not_renewed(rolled_after_expiry):
    assert rolled_after_expiry.refusal.returncode == ConfigError.exit_code
    assert "certificates rollover" in rolled_after_expiry.refusal.stderr


def test_a_cluster_whose_ca_has_expired_gets_another(rolled_after_expiry, compact):
    assert_dead(rolled_after_expiry.before)
    assert_all_are_current(rolled_after_expiry.after)
    assert shown_to(compact, compact.ca) == read_facts(compact.ca.read_bytes()).common_name


def assert_dead(seen: tuple[int, list[dict[str, Any]]]) -> None:
    """Demand that only our own certificates were fit for anybody."""
    code, ports = seen
    assert code == 1
    assert [port["port"] for port in ports if port["current"] and not port["fault"]] == [443] * 3


def assert_all_are_current(seen: tuple[int, list[dict[str, Any]]]) -> None:
    code, ports = seen
    assert code == 0
    assert len(ports) == PORTS


KILL_ALL = """\
for unit in etcd patroni rabbitmq-server nginx haproxy cloudify-restservice cloudify-mgmtworker \
    cloudify-syncthing cloudify-file-sync cloudify-status-reporter; do
    if systemctl cat $unit >/dev/null 2>&1; then systemctl kill --signal=KILL $unit || true; fi
done
"""


def expire(cluster: Cluster, *, with_ca: bool = False) -> tuple[int, list[dict[str, Any]]]:
    """Let certificates, or the CA too, have expired everywhere; services meet them at a start."""
    folder = cluster.certificates
    issuer = authority(cluster)
    if with_ca:
        ended = Recipe(is_ca=True, key=issuer.key, usages=(), begins=-2 * DAY, ends=-HOUR)
        issuer = make(expired_like(issuer.certificate, ended), None)
        (folder / "ca.crt").write_bytes(issuer.pem)
    for path in folder.glob("nodes/*/*.crt"):
        recipe = Recipe(begins=-2 * HOUR, ends=-HOUR)
        made = make(expired_like(x509.load_pem_x509_certificate(path.read_bytes()), recipe), issuer)
        path.with_suffix(".key").write_bytes(made.key_pem())
        path.write_bytes(made.pem)
    bringing = (sys.executable, "-c", program("push_certificates"), cluster.inventory)
    cluster.beside(*bringing, timeout_s=300)
    for node in cluster.nodes:
        cluster.sh(node, KILL_ALL)
    wait_until(lambda: not answers(cluster), "nobody is served", timeout_s=60)
    return live(cluster)


def expired_like(present: x509.Certificate, recipe: Recipe) -> Recipe:
    """Return a recipe with the names and usages of a certificate."""
    (name,) = present.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    recipe = replace(recipe, name=str(name.value), hosts=())
    if recipe.is_ca:
        return recipe
    extensions = present.extensions
    usages = tuple(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    names: tuple[x509.GeneralName, ...] = ()
    if ExtendedKeyUsageOID.SERVER_AUTH in usages:
        names = tuple(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    return replace(recipe, hosts=names, usages=usages)


def await_whole(cluster: Cluster) -> None:
    whole = lambda: answers(cluster) and healthy(cluster)  # noqa: E731
    wait_until(whole, "the cluster is healthy again", timeout_s=60)


def answers(cluster: Cluster) -> bool:
    """Tell whether a client of the cluster is served."""
    url = f"https://{ENTRY}/api/v3.1/status"
    words = ("curl", "-sS", "--max-time", "3", "--cacert", cluster.ca, "-o", os.devnull)
    said = cluster.beside(*words, "-w", "%{http_code}", url, check=False)
    return said.stdout.strip() == "401"


def healthy(cluster: Cluster) -> bool:
    words = ("cluster", "status", "-i", str(cluster.inventory), "--json")
    return cluster.manage(*words, check=False).returncode == 0
