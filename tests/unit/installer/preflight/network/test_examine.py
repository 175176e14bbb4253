"""The trial beside the checks of each node: one cause is told once."""

import pytest

from installer.cluster_secrets import provisional_secrets
from installer.engine.outcome import Outcome
from installer.errors import Problem
from installer.expand import certificate_requests, expand
from installer.inventory import load_inventory
from installer.preflight.check import Subject
from installer.preflight.facts import Facts, Firewall, Listener
from installer.preflight.network import examine_network, network_problems
from installer.preflight.wanted import wanted_nodes
from tests.unit.installer.preflight.network.test_network_plan import INVENTORIES

SHUT = """table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		tcp dport 22 accept
	}
}
"""


class Node:
    """A node's session that remembers what it was asked; others fail in the way given."""

    def __init__(self, name, engine):
        self.name, self.engine = name, engine

    def listen(self, request):
        self.engine.calls.append((self.name, "listen"))
        if self.name in self.engine.broken:
            raise OSError("the node fell over")
        taken = self.engine.taken
        return {
            wish["port"]: "taken" if (self.name, wish["port"]) in taken else "open"
            for wish in request["ports"]
        }

    def connect(self, request):
        self.engine.calls.append((self.name, "connect"))
        return [self.engine.answer(wish) for wish in request["wishes"]]

    def end_listening(self, token):
        self.engine.calls.append((self.name, "end"))
        return []


class Engine:
    """Answers for every node without one."""

    def __init__(self, *, silent=(), taken=(), broken=()):
        self.silent, self.taken, self.broken = silent, taken, broken
        self.calls, self.wishes = [], []

    def on_each(self, nodes, work):
        return {name: self._outcome(Node(name, self), work) for name in nodes}

    def _outcome(self, node, work):
        try:
            return Outcome(value=work(node))
        except OSError as error:
            return Outcome(error=Problem(where=node.name, what=str(error), remedy="mend it"))

    def answer(self, wish):
        self.wishes.append(wish)
        if wish["address"] in self.silent:
            return {"stage": "connect", "why": "silence", "words": "no answer", "code": 0}
        return {"stage": "", "why": "", "words": "", "code": 0, "rtt_s": 0.001}


@pytest.fixture(scope="module")
def cluster():
    """Three compact nodes, as if they were bare; their certificates do not matter here."""
    inventory = load_inventory(INVENTORIES / "three-nodes.yaml")
    names = {r.node: [] for r in certificate_requests(inventory)}
    for request in certificate_requests(inventory):
        names[request.node] += request.files
    files = {node: dict.fromkeys([*held, "ca.crt"], b"PEM") for node, held in names.items()}
    inputs = expand(inventory, provisional_secrets(inventory.secrets_path), files)
    configs = {name: each.config for name, each in inputs.items()}
    return inventory, inputs, wanted_nodes(inventory, configs, None, {})


def subjects_of(cluster, **facts):
    _, _, wanted = cluster
    return {name: Subject(each, facts.get(name, Facts())) for name, each in wanted.items()}


def node_2(**facts):
    return {"node-2": Facts(**facts)}


def examined(cluster, engine, subjects):
    inventory, inputs, _ = cluster
    return examine_network(engine, inventory, inputs, subjects)


def test_three_rounds_open_connect_and_close(cluster):
    engine = Engine()

    tried = examined(cluster, engine, subjects_of(cluster))

    assert [what for name, what in engine.calls if name == "node-1"] == ["listen", "connect", "end"]
    assert network_problems(tried) == ()


def test_a_node_that_did_not_answer_the_checks_is_left_out(cluster):
    engine, subjects = Engine(), subjects_of(cluster)
    del subjects["node-3"]

    tried = examined(cluster, engine, subjects)

    assert tried.nodes == ("node-1", "node-2")
    assert "10.77.0.13" not in {wish["address"] for wish in engine.wishes}


def test_what_a_nodes_own_packet_filter_drops_is_told_by_its_check(cluster):
    engine = Engine(silent=("10.77.0.12",))

    shut = node_2(firewall=Firewall(rules={"nft": SHUT}))
    told = network_problems(examined(cluster, engine, subjects_of(cluster, **shut)))
    untold = network_problems(examined(cluster, engine, subjects_of(cluster)))

    assert told == ()
    assert {problem.code for problem in untold} == {"asymmetric"}


def test_a_port_that_a_foreign_process_holds_is_left_alone(cluster):
    engine = Engine(taken=(("node-2", 5671),))
    held = node_2(listeners=(Listener(port=5671, process="mail", unit="mail.service"),))

    tried = examined(cluster, engine, subjects_of(cluster, **held))

    asked = {(wish["address"], wish["port"]) for wish in engine.wishes}
    assert ("10.77.0.12", 5671) not in asked
    assert {link.port for link in tried.skipped} == {5671}


def test_a_node_that_falls_over_in_the_middle_is_told_and_the_others_are_closed(cluster):
    engine = Engine(broken=("node-2",))

    tried = examined(cluster, engine, subjects_of(cluster))

    (problem,) = network_problems(tried)
    assert (problem.code, problem.where) == ("network-untested", "node-2")
    assert [name for name, what in engine.calls if what == "end"] == ["node-1", "node-2", "node-3"]
