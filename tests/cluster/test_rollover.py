"""The CA of a cluster is rolled over under load, killed in its middle and gone on with.

One rollover happens in a fixture; the tests look at what clients saw and what is trusted then.
"""

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.expand import certificate_requests
from installer.foresight.forecast import Loss
from installer.inventory import load_inventory
from installer.pki.facts import read_facts
from installer.pki.store import CertificateStore
from installer.sandbox import record
from tests.support.cluster import ROOT, TOOL, Cluster, tool
from tests.support.losses import predicted, say
from tests.support.sandbox import sandbox_of
from tests.support.tls import trusting
from tests.support.traffic import Traffic, assert_nothing_lost, traffic

pytestmark = pytest.mark.cluster

ENTRY = "10.77.0.14"
LOADED_S = 3  # what two cores that carry all hosts add
MIDDLE = "database/patroni"  # of the step that brings certificates of the new CA
Event = dict[str, Any]


@dataclass
class Rolled:
    """A cluster whose CA was changed, what its clients saw, and what the runs told."""

    cluster: Cluster
    old: Path  # the CA before, as clients keep it
    trusting_both: Traffic | None = None
    changing: Traffic | None = None
    killed: list[Event] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    told: list[Event] = field(default_factory=list)


@pytest.fixture(scope="module")
def compact(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes that are database, broker and manager each, behind a load balancer.

    CFY_TEST_COMPACT names a sandbox that has them already.
    """
    if name := os.environ.get("CFY_TEST_COMPACT"):
        yield Cluster(name, record.sandbox_dir(name) / "cluster" / "inventory.yaml")
        return
    document = yaml.safe_load((ROOT / "inventories" / "three-nodes.yaml").read_text())
    document["nodes"].append({"name": "lb-1", "address": ENTRY, "roles": ["loadbalancer"]})
    document["load_balancer"] = {"address": ENTRY}
    source = tmp_path_factory.mktemp("rollover") / "compact.yaml"
    source.write_text(yaml.safe_dump(document))
    with sandbox_of("rollover", source) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        cluster.install()
        yield cluster


@pytest.fixture(scope="module")
def rolled(compact: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Rolled:
    """Clients keep the file of CAs of the time when they began, as programs do."""
    folder = tmp_path_factory.mktemp("rolled")
    seen = Rolled(compact, folder / "old-ca.crt")
    seen.old.write_bytes(compact.ca.read_bytes())
    with traffic(compact, folder / "trust") as seen.trusting_both:
        seen.told += roll_over(compact, "--until", "trust")
    with traffic(compact, folder / "change") as seen.changing:
        seen.killed = killed_rollover(compact)
        seen.status = roll_over(compact, "--status")[-1]
        seen.told += roll_over(compact)
    return seen


def command(cluster: Cluster, *words: str) -> tuple[str, ...]:
    return ("certificates", "rollover", "-i", str(cluster.inventory), *words, "--json")


def roll_over(cluster: Cluster, *words: str) -> list[Event]:
    said = cluster.manage(*command(cluster, *words), timeout_s=1800).stdout
    return list(map(json.loads, said.splitlines()))


def killed_rollover(cluster: Cluster) -> list[Event]:
    """Go on, kill it while nodes get their new certificates, and return its events."""
    words = (*TOOL, "sandbox", "exec", cluster.name, "--", *TOOL, *command(cluster))
    events: list[Event] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            is_middle = any("3 of 4" in event.get("text", "") for event in events)
            if is_middle and events[-1].get("phase") == MIDDLE:
                process.kill()
    return events


@pytest.mark.parametrize("step", ["trusting_both", "changing"])
def test_nothing_that_was_acknowledged_is_lost(rolled, step):
    assert_nothing_lost(getattr(rolled, step))


@pytest.mark.parametrize("step", ["trusting_both", "changing"])
def test_clients_pause_no_longer_than_for_a_switchover(rolled, step):
    forecast = predicted(rolled.cluster, Loss.SWITCHOVER)

    rows = getattr(rolled, step).rows
    gap_s = rows.longest_gap_s()
    say(f"longest gap {gap_s:.1f} s; forecast of a switchover: at most {forecast.longest_s:.1f} s")
    assert gap_s <= forecast.longest_s + LOADED_S


def test_a_killed_run_is_told_and_gone_on_with(rolled):
    goes_on = "This goes on with the change of the CA that was begun."

    assert rolled.killed[-1].get("kind") != "summary"
    assert rolled.status["progress"] == "issuing"
    assert [event["text"] for event in rolled.told if event.get("text") == goes_on] == [goes_on]
    assert rolled.told[-1]["progress"] == "none"


def test_each_step_is_proved_on_every_port(rolled):
    proofs = [event["text"] for event in rolled.told if "Proved" in event.get("text", "")]

    say("\n".join(proofs))
    assert "ports take a certificate of the new CA" in proofs[0]
    assert "ports refuse the certificate of the old CA" in proofs[-1]


def test_every_client_meets_the_new_ca_alone(rolled):
    new, old = read_facts(rolled.cluster.ca.read_bytes()), read_facts(rolled.old.read_bytes())

    assert new.common_name != old.common_name
    with rolled.cluster.network():
        shown = shown_to(trusting(rolled.cluster.ca))
        assert f"commonName', '{new.common_name}'" in str(shown["issuer"])
        with pytest.raises(ssl.SSLCertVerificationError):
            shown_to(trusting(rolled.old))


def shown_to(context: ssl.SSLContext) -> dict[str, Any]:
    """Return what the load balancer shows to a client."""
    with (
        socket.create_connection((ENTRY, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=ENTRY) as secure,
    ):
        return dict(secure.getpeercert() or {})


def test_an_install_afterwards_changes_nothing(rolled):
    events = rolled.cluster.install()

    finished = [event for event in events if event["kind"] == "phase-finished"]
    assert {event["outcome"] for event in finished} == {"unchanged"}


def test_what_is_not_begun_cannot_turn_back(rolled):
    said = rolled.cluster.manage(*command(rolled.cluster, "--back"), check=False)

    assert said.returncode == 8
    assert "no change of the CA is under way" in said.stderr


def timer(cluster: Cluster, *words: str) -> tuple[int, str]:
    """Look after the certificates as the timer does; return exit code and words."""
    command = ("certificates", "timer", "run", "-i", str(cluster.inventory), *words)
    said = cluster.manage(*command, check=False)
    return said.returncode, said.stdout + said.stderr


def test_certificates_that_end_soon_are_told_and_renewed_where_that_is_allowed(rolled):
    cluster = rolled.cluster
    inventory = load_inventory(cluster.inventory)
    short = [r for r in certificate_requests(inventory) if r.node == "lb-1"]
    CertificateStore(cluster.certificates, days=2).reissue(short)

    warned, renewed, quiet = timer(cluster), timer(cluster, "--renew"), timer(cluster)

    assert warned[0] == 1
    assert "warning: nodes/lb-1/node.crt ends in 1 days" in warned[1]
    assert "Renewing the certificates of lb-1." in renewed[1]
    assert renewed[0] == quiet[0] == 0


def test_systemd_runs_the_timer_and_a_failed_unit_tells_what_ends(rolled):
    """On a host of the sandbox: it has systemd, and our program is there."""
    cluster, unit = rolled.cluster, "cfy_manager-certificates-three-nodes"
    document = {key: value for key, value in cluster.document.items() if key != "bundle"}
    document |= {"certificates": "certificates", "secrets": "secrets.yaml"}
    host, folder, program = "node-1", "/root/watch", "/opt/cfy_manager/env/bin/python -m installer"
    ca = cluster.ca.read_text()
    script = f"""
        mkdir -p {folder}/certificates
        cat > {folder}/certificates/ca.crt <<'PEM'
{ca}PEM
        cat > {folder}/cluster.yaml <<'YAML'
{yaml.safe_dump(document)}YAML
        {program} certificates timer enable -i {folder}/cluster.yaml --days 4000
        systemctl is-enabled {unit}.timer
        systemctl start {unit}.service || true
        systemctl is-failed {unit}.service
        journalctl -u {unit}.service -t cfy_manager -p warning -o cat
        {program} certificates timer disable -i {folder}/cluster.yaml
        rm -r {folder}
        systemctl reset-failed {unit}.service || true
        ls /etc/systemd/system
    """
    lines = cluster.sh(host, script).splitlines()

    assert "enabled" in lines
    assert "failed" in lines
    assert any("ca.crt ends in" in line and "rollover" in line for line in lines)
    assert not any(line.startswith(unit) for line in lines[lines.index("failed") + 3 :])
