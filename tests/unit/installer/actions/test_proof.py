"""The proof at the end of a run: it waits for services that take their time, but not for ever."""

import ssl

import pytest

from installer.actions import proof
from installer.actions.proof import Proof
from installer.cluster_secrets import provisional_secrets
from installer.engine.outcome import Outcome as NodeOutcome
from installer.events import EventKind, Outcome
from installer.expand import certificate_requests, expand
from installer.inventory import load_inventory
from installer.pki.store import CertificateStore

INVENTORY = """\
cluster: {name: demo}
nodes:
  - {name: mq-1, address: 10.0.0.12, roles: [queue]}
  - {name: manager-1, address: 10.0.0.13, roles: [database, manager]}
"""


class Node:
    """A node whose ports show, one look after the other, what the test says."""

    def __init__(self, name, looks):
        self.name = name
        self._looks = iter(looks)

    def handshakes(self, request):
        pem = next(self._looks)
        told = {"stage": "", "why": "", "words": "", "code": 0}
        return [{"certificate": ssl.PEM_cert_to_DER_cert(pem.decode()), **told}] * len(
            request["wishes"]
        )


class FakeEngine:
    def __init__(self, node):
        self._node = node

    def on_each(self, nodes, act):
        return {name: NodeOutcome(value=act(self._node)) for name in nodes}


@pytest.fixture
def proved(tmp_path, monkeypatch):
    """Return a function that proves one queue node which shows these certificates in turn."""
    monkeypatch.setattr(proof, "_PAUSE_S", 0)
    path = tmp_path / "demo.yaml"
    path.write_text(INVENTORY)
    inventory = load_inventory(path)
    store = CertificateStore(inventory.certificates_path)
    requests = certificate_requests(inventory)
    store.ensure(requests)
    old = store.pair("mq-1").certificate
    store.reissue(requests)
    new = store.pair("mq-1").certificate
    inputs = expand(inventory, provisional_secrets(tmp_path / "s.yaml"), store.by_node(requests))

    def prove(*looks, patience_s=5.0):
        node = Node("mq-1", [{"old": old, "new": new}[look] for look in looks])
        made = Proof(inventory, inputs, FakeEngine(node), patience_s)
        events = []
        result = made.phase(["mq-1"], events.append).work()
        return made, result, events

    return prove


def test_ports_that_show_the_new_certificate_are_proved(proved):
    made, result, events = proved("new")

    assert (result.outcome, made.proved) == (Outcome.UNCHANGED, 3)
    assert [e.text for e in events if e.kind is EventKind.NODE_FINISHED] == ["3 ports proved"]


def test_a_port_that_takes_its_time_is_waited_for(proved):
    made, result, events = proved("old", "old", "new")

    assert (result.outcome, made.proved) == (Outcome.UNCHANGED, 3)
    assert "RabbitMQ does not show its certificate yet" in [event.text for event in events]


def test_a_port_that_keeps_the_old_one_fails_the_run(proved):
    made, result, events = proved("old", patience_s=0)

    assert (result.outcome, made.proved) == (Outcome.FAILED, 0)
    assert {problem.code for problem in result.problems} == {"certificate-not-current"}
    assert [e.outcome for e in events if e.kind is EventKind.NODE_FINISHED] == [Outcome.FAILED]
