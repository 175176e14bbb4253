"""Which connections prove who trusts whom, and what is told of those that prove the contrary."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from installer.cluster_secrets import provisional_secrets
from installer.engine.outcome import Outcome
from installer.errors import Problem
from installer.expand import certificate_requests, expand
from installer.inventory import load_inventory
from installer.pki.authority import create_authority, issue_leaf
from installer.pki.request import LeafRequest
from installer.pki.store import CertificateStore
from installer.proof.trust import (
    Proving,
    accepted_problems,
    link_problems,
    refused_problems,
    until_proved,
)

INVENTORIES = Path(__file__).parents[4] / "inventories"
STRANGER = issue_leaf(create_authority("Other"), LeafRequest(common_name="stranger"))
TAKEN = {"stage": "", "why": "", "words": "", "code": 0}
REFUSED = {"stage": "tls", "why": "fault", "words": "tlsv1 alert unknown ca", "code": 0}
UNREACHED = {"stage": "connect", "why": "refused", "words": "Connection refused", "code": 0}


class Nodes:
    """An engine whose nodes all say the same of every connection; `silent` ones say nothing."""

    def __init__(self, told=TAKEN, silent=()):
        self.told, self.silent, self.requests = told, silent, {}

    def on_each(self, names, act):
        return {name: self._outcome(name, act) for name in names}

    def _outcome(self, name, act):
        if name in self.silent:
            return Outcome(error=Problem(where=name, what="gone", remedy="look"))
        return Outcome(value=act(SimpleNamespace(name=name, connect=self._connect(name))))

    def _connect(self, name):
        def connect(request):
            self.requests[name] = request
            return [self.told for _ in request["wishes"]]

        return connect


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """The example of ten nodes, with certificates that are written nowhere."""
    inventory = load_inventory(INVENTORIES / "ten-nodes.yaml")
    store = CertificateStore(tmp_path_factory.mktemp("ten"))
    files = store.preview(certificate_requests(inventory))
    inputs = expand(inventory, provisional_secrets(inventory.secrets_path), files)
    return inventory, inputs, files["db-1"]["ca.crt"]


def proving(ten, nodes=None, ours=None):
    inventory, inputs, ca = ten
    return Proving(engine=nodes or Nodes(), inventory=inventory, inputs=inputs, ours=ours or ca)


def ends(probes):
    return {(p.link.source, p.link.target, p.link.port) for p in probes}


def test_every_client_is_proved_also_one_of_its_own_node(ten):
    found = ends(proving(ten).probes())

    assert {
        ("db-1", "db-2", 2380),
        ("db-1", "db-1", 2379),
        ("queue-1", "queue-2", 25672),
        ("manager-1", "db-1", 5432),
        ("manager-1", "queue-1", 5671),
        ("lb-1", "manager-1", 443),
    } <= found
    assert not any(source in ("client", "agent") for source, _, _ in found)


def test_only_ports_that_look_at_their_clients_are_shown_a_stranger(ten):
    probes = proving(ten).probes_showing(STRANGER)

    assert {probe.link.port for probe in probes} == {2379, 2380, 5432, 8008, 5671, 25672}
    assert {(p.link.target, p.link.port) for p in probes if p.link.target == "db-1"} == {
        *(("db-1", 2379), ("db-1", 2380), ("db-1", 5432), ("db-1", 8008)),
    }
    assert all(STRANGER.key in (probe.pair or b"") for probe in probes)


def test_ports_that_trust_a_ca_that_the_user_brought_are_left_alone(ten):
    assert proving(ten, ours=b"another").probes_showing(STRANGER) == ()


def test_running_services_are_asked_and_have_time_to_refuse(ten):
    nodes = Nodes()
    probes = proving(ten).probes_showing(STRANGER)

    attempts = proving(ten, nodes).try_all(probes)

    wishes = [wish for request in nodes.requests.values() for wish in request["wishes"]]
    assert len(attempts) == len(wishes) == len(probes)
    assert not any(wish["trial"] or wish["bulk"] for wish in wishes)
    assert {request["refusal_s"] for request in nodes.requests.values()} == {1.0}


@pytest.mark.parametrize(
    ("told", "judge", "code"),
    [
        (TAKEN, link_problems, None),
        (TAKEN, refused_problems, None),
        (TAKEN, accepted_problems, "ca-still-trusted"),
        (REFUSED, accepted_problems, None),
        (REFUSED, refused_problems, "ca-not-trusted"),
        (REFUSED, link_problems, "tls-handshake"),
        (UNREACHED, link_problems, "proof-unanswered"),
        (UNREACHED, refused_problems, "ca-not-trusted"),
        (UNREACHED, accepted_problems, "ca-still-trusted"),
    ],
)
def test_what_contradicts_a_proof_is_told(ten, told, judge, code):
    probes = [p for p in proving(ten).probes() if p.link.target == "db-1"]

    problems = tuple(judge(proving(ten, Nodes(told)).try_all(probes), len(probes)))

    assert {problem.code for problem in problems} == ({code} if code else set())


@pytest.mark.parametrize("judge", [link_problems, refused_problems, accepted_problems])
def test_a_node_that_cannot_be_asked_proves_nothing(ten, judge):
    probes = [p for p in proving(ten).probes() if p.link.source == "db-1"]
    attempts = proving(ten, Nodes(silent=("db-1",))).try_all(probes)

    (problem,) = judge(attempts, len(probes))

    assert problem.code == "proof-unanswered"


def test_a_proof_is_awaited(monkeypatch):
    monkeypatch.setattr("installer.proof.trust._AGAIN_S", 0.0)
    answers = iter([["not yet"], ["not yet"], []])

    assert until_proved(lambda: next(answers), patience_s=60) == ()
    assert until_proved(lambda: ["never"], patience_s=0) == ("never",)
