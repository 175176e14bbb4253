"""The plan of the trial: which node opens what, who connects, and with whose certificates."""

from pathlib import Path

import pytest

from installer.cluster_secrets import provisional_secrets
from installer.expand import certificate_requests, expand
from installer.inventory import load_inventory
from installer.pki.store import CertificateStore
from installer.preflight.network import network_plan
from installer.preflight.network.requests import connect_request, listen_request

INVENTORIES = Path(__file__).parents[5] / "inventories"


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    """Return a function that makes the plan of an example, and the files of its nodes."""

    def made(name, away=()):
        inventory = load_inventory(INVENTORIES / f"{name}.yaml")
        store = CertificateStore(tmp_path_factory.mktemp(name))
        files = store.preview(certificate_requests(inventory))
        inputs = expand(inventory, provisional_secrets(inventory.secrets_path), files)
        return network_plan(inventory, inputs, away), files

    return made


def probe(plan, source, target, port):
    return next(
        each for each in plan.probes[source] if (each.link.target, each.link.port) == (target, port)
    )


def test_nodes_open_what_others_connect_to(clusters):
    plan, _ = clusters("ten-nodes")

    ports = {name: [o.listener.port for o in plan.openings[name]] for name in plan.nodes}

    assert ports["db-1"] == [2379, 2380, 8008, 5432]
    assert ports["queue-1"] == [4369, 25672, 5671]
    assert ports["manager-1"] == [443, 53333, 22000]
    assert ports["lb-1"] == []


def test_ten_nodes_try_each_connection_once(clusters):
    plan, _ = clusters("ten-nodes")

    tried = [
        (source, each.link.address, each.link.port, each.link.tls and each.link.tls.server_name)
        for source, probes in plan.probes.items()
        for each in probes
    ]

    assert len(tried) == len(set(tried)) == 90


def test_clients_show_the_certificates_of_their_users(clusters):
    plan, files = clusters("ten-nodes")

    patroni = probe(plan, "db-1", "db-2", 2379)
    manager = probe(plan, "manager-1", "db-2", 5432)

    assert patroni.pair.startswith(files["db-1"]["client-patroni.crt"].rstrip())
    assert patroni.pair.endswith(files["db-1"]["client-patroni.key"])
    assert manager.pair.startswith(files["manager-1"]["client-cloudify.crt"].rstrip())
    assert manager.trust == files["manager-1"]["ca.crt"]


def test_a_host_alone_has_nothing_to_try(clusters):
    plan, _ = clusters("all-in-one")

    assert plan.is_empty


def test_a_node_that_is_away_is_left_out(clusters):
    plan, _ = clusters("ten-nodes", away=["db-2"])

    targets = {each.link.target for probes in plan.probes.values() for each in probes}

    assert "db-2" not in plan.nodes
    assert "db-2" not in targets


def test_a_node_gets_no_key_but_its_own(clusters):
    plan, files = clusters("three-nodes")
    states = {name: {o.listener.port: "open" for o in plan.openings[name]} for name in plan.nodes}
    own = {key for name, key in files["node-1"].items() if name.endswith(".key")}
    others = {key for name, key in files["node-2"].items() if name.endswith(".key")}

    sent = listen_request(plan.openings["node-1"], "token")["pems"]
    sent += connect_request(plan.probes["node-1"], states)["pems"]

    assert any(key in pem for key in own for pem in sent)
    assert not any(key in pem for key in others for pem in sent)


def test_large_data_go_once_from_each_node_to_each_other(clusters):
    plan, _ = clusters("three-nodes")
    states = {name: {o.listener.port: "open" for o in plan.openings[name]} for name in plan.nodes}

    wishes = connect_request(plan.probes["node-1"], states)["wishes"]

    assert sum(wish["bulk"] for wish in wishes) == 2


def test_a_service_that_runs_is_asked_as_what_it_is(clusters):
    plan, _ = clusters("three-nodes")
    states = {name: {5432: "taken"} for name in plan.nodes}

    wishes = connect_request(plan.probes["node-1"], states)["wishes"]

    (first, *_) = [wish for wish in wishes if wish["port"] == 5432]
    assert (first["trial"], first["start"], first["bulk"]) == (False, "postgresql", False)


def test_keys_do_not_show_where_plans_are_printed(clusters):
    plan, _ = clusters("three-nodes")

    assert "PRIVATE KEY" not in repr(plan)
