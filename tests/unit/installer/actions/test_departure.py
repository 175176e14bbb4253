"""What is kept of nodes that leave until they have left, and what refuses them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from installer.actions import departure_rules
from installer.actions.change_members import (
    NewNode,
    _changed,
    _demand_certificates,
    _wished,
    _with_nodes,
    _without,
)
from installer.actions.change_members import _Wish as Wish
from installer.actions.departure import (
    Departure,
    Place,
    Successor,
    demand_same,
    demand_same_places,
    forget,
    remember,
    unfinished,
)
from installer.actions.departure_rules import demand_silence, demand_successors, last_ones
from installer.engine.target import Target
from installer.errors import ConfigError, NodeUnreachable, Problem, Refused
from installer.expand import certificate_requests
from installer.inventory import Inventory, Node, load_inventory
from installer.pki.store import CertificateStore

NODES = [
    *({"name": f"db-{n}", "address": f"10.0.0.1{n}", "roles": ["database"]} for n in range(1, 6)),
    *({"name": f"mq-{n}", "address": f"10.0.0.2{n}", "roles": ["queue"]} for n in (1, 2, 3)),
    {"name": "m-1", "address": "10.0.0.31", "roles": ["manager"]},
]


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Five databases, three brokers, one manager."""
    path = tmp_path / "inventory.yaml"
    key = tmp_path / "key"
    key.touch()
    document = {"cluster": {"name": "shop"}, "ssh": {"private_key": str(key)}, "nodes": NODES}
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return load_inventory(path)


def leaving(inventory: Inventory, *names: str, successors: Sequence[Successor] = ()) -> Departure:
    verb = "replace-node" if successors else "remove-node"
    return Departure(
        verb=verb,
        nodes=tuple(inventory.node(name) for name in names),
        successors=tuple(successors),
    )


def by_name(inventory: Inventory) -> dict[str, Node]:
    return {node.name: node for node in inventory.nodes}


def test_a_departure_is_read_as_it_was_written(inventory, tmp_path):
    departure = leaving(inventory, "db-4", "db-5", successors=[Successor(name="x", address="y")])

    remember(tmp_path / "runs", departure)

    assert unfinished(tmp_path / "runs") == departure
    forget(tmp_path / "runs")
    assert unfinished(tmp_path / "runs") is None


def test_the_cluster_before_is_known_after_the_inventory_has_changed(inventory):
    departure = leaving(inventory, "db-5")
    edited = replace(inventory, nodes=tuple(n for n in inventory.nodes if n.name != "db-5"))

    assert by_name(departure.cluster_before(edited)) == by_name(inventory)


def test_a_successor_of_the_same_name_is_no_member_before(inventory):
    """The killed run had written its address already."""
    departure = leaving(inventory, "db-5", successors=[Successor(name="db-5", address="10.0.0.99")])
    new = replace(inventory.node("db-5"), address="10.0.0.99")
    edited = replace(inventory, nodes=(*inventory.nodes[:4], new, *inventory.nodes[5:]))

    assert by_name(departure.cluster_before(edited)) == by_name(inventory)


def test_another_change_waits_until_the_one_that_began_is_finished(inventory):
    begun = leaving(inventory, "db-4", "db-5")

    demand_same(begun, "remove-node", ("db-5", "db-4"))
    demand_same(None, "add-node", ())
    for verb, names in (("remove-node", ("db-1",)), ("replace-node", ("db-4",)), ("add-node", ())):
        with pytest.raises(Refused, match="remove-node db-4 db-5"):
            demand_same(begun, verb, names)


@pytest.mark.parametrize(
    "place", [Place(address="10.0.0.98"), Place(name="db-7"), Place(name="db-5")]
)
def test_a_replacement_that_began_goes_on_with_the_same_machine(inventory, place):
    """Else the words of the second run would be passed over in silence."""
    new = Place(name="db-6", address="10.0.0.99").after(inventory.node("db-5"))
    begun = leaving(inventory, "db-5", successors=[new])

    demand_same_places(begun, {})
    demand_same_places(begun, {"db-5": Place(name="db-6", address="10.0.0.99")})
    with pytest.raises(Refused, match=r"by db-6 at 10\.0\.0\.99 began"):
        demand_same_places(begun, {"db-5": place})


def test_a_place_is_the_old_one_where_nothing_is_told(inventory):
    assert Place().after(inventory.node("db-5")) == Successor(name="db-5", address="10.0.0.15")


class Unreachable:
    """An engine whose nodes do not answer."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.names = [target.name for target in targets]

    def __enter__(self) -> "Unreachable":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self) -> dict[str, Problem]:
        return {n: Problem(where=n, what="cannot log in", remedy="ssh") for n in self.names}


def test_nothing_leaves_for_a_machine_that_cannot_be_reached(inventory, monkeypatch):
    """A cluster of three would be left with two."""
    monkeypatch.setattr(departure_rules, "Engine", Unreachable)

    with pytest.raises(NodeUnreachable, match="db-6"):
        demand_successors(
            leaving(inventory, "db-5", successors=[Successor(name="db-6", address="10.0.0.99")])
        )


def test_the_same_machine_is_not_asked_before_it_is_made_anew(inventory, monkeypatch):
    monkeypatch.setattr(departure_rules, "Engine", Unreachable)

    demand_successors(
        leaving(inventory, "db-5", successors=[Successor(name="db-5", address="10.0.0.15")])
    )


class Listening:
    """An engine of nodes that run scripts; these connect where the ports are open."""

    def __init__(self, *ports: int) -> None:
        self.open = [f"/dev/tcp/10.0.0.15/{port}" for port in ports]

    def on_each(self, nodes: Sequence[str], act: Any) -> dict[str, Any]:
        assert nodes == ["db-1", "db-2"]
        return {name: SimpleNamespace(value=act(self)) for name in nodes}

    def run(self, script: str, **_: Any) -> Any:
        return SimpleNamespace(code=0 if any(word in script for word in self.open) else 124)


def test_a_node_whose_services_answer_is_not_treated_as_dead(inventory):
    """SSH alone has failed: its broker and its databases would be there for good."""
    with pytest.raises(Refused, match="its services run, and it cannot be reached") as refused:
        demand_silence(leaving(inventory, "db-5"), Listening(5432), {"db-1", "db-2"})

    assert [problem.code for problem in refused.value.problems] == ["runs-unreachable"]


def test_a_node_on_which_nothing_answers_is_dead(inventory):
    demand_silence(leaving(inventory, "db-5"), Listening(), {"db-1", "db-2"})


def test_a_node_that_ssh_reaches_tells_by_itself_what_runs(inventory):
    demand_silence(leaving(inventory, "db-5"), Listening(5432), {"db-1", "db-2", "db-5"})


@pytest.mark.parametrize(
    ("names", "role"),
    [
        (("db-1", "db-2"), None),
        (("db-1", "db-2", "db-3", "db-4"), "database"),
        (("mq-1", "mq-2"), "queue"),
        (("m-1",), "manager"),
    ],
)
def test_the_last_nodes_of_a_role_are_not_removed(inventory, names, role):
    problems = [*last_ones(inventory, leaving(inventory, *names))]

    assert [problem.code for problem in problems] == (["last-replica"] if role else [])
    assert all(f"{role} nodes would be left" in problem.what for problem in problems)


def test_one_of_three_is_replaced_and_the_only_one_is_not(inventory):
    successor = Successor(name="new", address="10.0.0.99")

    assert not [*last_ones(inventory, leaving(inventory, "mq-1", successors=[successor]))]
    assert [*last_ones(inventory, leaving(inventory, "m-1", successors=[successor]))]


def test_an_unknown_node_is_a_problem(inventory):
    with pytest.raises(ConfigError, match="no node has this name"):
        _wished(inventory, Wish(verb="remove-node", names=("db-9",)))


def test_a_removal_that_would_leave_an_even_number_leaves_the_inventory(inventory):
    before = inventory.path.read_text()

    with pytest.raises(ConfigError, match="4 database nodes"):
        _without(inventory, leaving(inventory, "db-5"))

    assert inventory.path.read_text() == before


def test_a_replaced_node_keeps_its_place_and_its_roles(inventory):
    departure = leaving(inventory, "db-2", successors=[Successor(name="db-6", address="10.0.0.16")])

    changed = yaml.safe_load(_changed(departure, inventory.path.read_text()))

    assert changed["nodes"][1] == {"name": "db-6", "address": "10.0.0.16", "roles": ["database"]}


def test_several_nodes_are_replaced_together(inventory, tmp_path):
    """A rack takes a database and a broker: each by itself waits for the other to answer."""
    places = {"db-2": Place(address="10.0.0.98"), "mq-1": Place(name="mq-4", address="10.0.0.99")}

    departure = _wished(inventory, Wish(verb="replace-node", names=tuple(places), places=places))
    changed = yaml.safe_load(_changed(departure, inventory.path.read_text()))
    found = {node["name"]: node["address"] for node in changed["nodes"]}

    assert (found["db-2"], found["mq-4"]) == ("10.0.0.98", "10.0.0.99")
    assert "mq-1" not in found
    remember(tmp_path / "runs", departure)
    assert unfinished(tmp_path / "runs") == departure
    demand_same_places(departure, places)
    with pytest.raises(Refused, match="by mq-4 at"):
        demand_same_places(departure, places | {"mq-1": Place(address="10.0.0.97")})


@pytest.mark.parametrize(
    ("names", "replaced", "stop"),
    [
        (("db-1", "db-2"), True, {"db-1", "db-2"}),
        (("db-1", "db-2"), False, {"db-1"}),
    ],
    ids=["replaced", "removed"],
)
def test_those_that_are_replaced_must_be_dispensable_all_at_once(
    inventory, monkeypatch, names, replaced, stop
):
    """Two of three leave one that waits for them: nothing of it must begin."""
    asked = []

    def may(_layout, _presence, nodes):
        asked.append({*nodes})
        return SimpleNamespace(objections=())

    monkeypatch.setattr(departure_rules, "may_stop", may)
    monkeypatch.setattr(departure_rules, "look_around", lambda _: None)
    new = [Place().after(inventory.node(name)) for name in names] if replaced else ()

    departure_rules.demand_possible(inventory, leaving(inventory, *names, successors=new))

    assert asked == [stop]


def test_new_nodes_are_written_once(inventory):
    new = [NewNode(name=f"mq-{n}", address=f"10.0.0.2{n}", roles=("queue",)) for n in (4, 5)]

    after = _with_nodes(inventory, new)

    assert [node.name for node in after.nodes][-2:] == ["mq-4", "mq-5"]
    assert _with_nodes(after, new) is after


def test_a_known_node_at_another_address_is_refused(inventory):
    with pytest.raises(Refused, match="another address"):
        _with_nodes(inventory, [NewNode(name="mq-1", address="10.0.0.99", roles=("queue",))])


def test_nobody_leaves_for_a_successor_that_would_get_no_certificate(inventory):
    """The key of the CA may be kept elsewhere: a removal needs it as little as one's own do."""
    new = Successor(name="db-4", address="10.0.0.99")
    CertificateStore(inventory.certificates_path).ensure(certificate_requests(inventory))
    _demand_certificates(inventory, leaving(inventory, "db-4", successors=[new]))
    (inventory.certificates_path / "ca.key").unlink()

    with pytest.raises(ConfigError, match=r"ca\.key"):
        _demand_certificates(inventory, leaving(inventory, "db-4", successors=[new]))
    _demand_certificates(inventory, leaving(inventory, "db-4"))
