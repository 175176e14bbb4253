"""Which ports must show which certificate, and what is told of one that does not."""

import ssl
from pathlib import Path

import pytest

from installer.cluster_secrets import provisional_secrets
from installer.expand import certificate_requests, expand
from installer.inventory import load_inventory
from installer.pki.store import CertificateStore
from installer.proof.handshake import Look, handshake_request, ports_of, proof_problems, shown_of

INVENTORIES = Path(__file__).parents[4] / "inventories"
SILENT = {"certificate": None, "stage": "connect", "why": "refused", "words": "", "code": 0}


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """The example of ten nodes, with certificates that are written nowhere."""
    inventory = load_inventory(INVENTORIES / "ten-nodes.yaml")
    store = CertificateStore(tmp_path_factory.mktemp("ten"))
    files = store.preview(certificate_requests(inventory))
    inputs = expand(inventory, provisional_secrets(inventory.secrets_path), files)
    return ports_of(inventory, inputs), files


def told(pem, words=""):
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    return {"certificate": der, "stage": "tls", "why": "fault", "words": words, "code": 0} | (
        {} if words else {"stage": "", "why": ""}
    )


def port(ten, node, number):
    ports, _ = ten
    return next(p for p in ports if (p.listener.node, p.listener.port) == (node, number))


def test_every_port_with_tls_is_looked_at_once(ten):
    ports, _ = ten
    by_node = {
        node: sorted(p.listener.port for p in ports if p.listener.node == node)
        for node in ("db-1", "queue-1", "manager-1", "lb-1")
    }

    assert by_node == {
        "db-1": [2379, 2380, 5432, 8008],
        "queue-1": [5671, 15671, 25672],
        "manager-1": [443, 22000, 53333],
        "lb-1": [443, 53333],
    }


def test_a_node_gets_its_own_key_and_each_file_once(ten):
    ports, files = ten
    request = handshake_request([p for p in ports if p.listener.node == "db-1"])

    assert len(request["pems"]) == 2
    assert files["db-1"]["node.key"] in request["pems"][0]
    assert [w["port"] for w in request["wishes"] if w["start"] == "postgresql"] == [5432]


def test_a_port_with_the_configured_certificate_is_proved(ten):
    _, files = ten
    shown = shown_of(port(ten, "db-1", 2379), told(files["db-1"]["node.crt"]))

    assert shown.is_proved
    assert list(proof_problems(Look(shown=(shown,)))) == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda files: told(files["db-2"]["node.crt"]), "certificate-not-current"),
        (lambda files: told(files["db-1"]["node.crt"], "expired"), "certificate-refused"),
        (lambda _: SILENT, "certificate-not-shown"),
    ],
    ids=["another", "refused", "silent"],
)
def test_a_port_that_is_not_proved_is_a_problem(ten, answer, code):
    shown = shown_of(port(ten, "db-1", 2379), answer(ten[1]))

    (problem,) = proof_problems(Look(shown=(shown,)))

    assert problem.code == code
    assert problem.where == "db-1: etcd (port 2379)"
