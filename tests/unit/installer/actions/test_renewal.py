"""Which certificates a renewal takes, what of a node it touches, and how a killed one goes on."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from installer.actions.certificate_part import certificate_part, gate_part
from installer.actions.renewal import (
    Renewal,
    RenewRequest,
    is_working,
    node_groups,
    requests_of,
)
from installer.actions.renewal_record import RenewalRecord
from installer.errors import ConfigError
from installer.expand import certificate_requests
from installer.inventory import Role, load_inventory, runs_folder
from installer.pki.facts import read_facts
from installer.pki.store import CertificateStore
from installer.proof.handshake import Look, Shown
from installer.state import Gate, ManagedFile, NodeState, Stage, Step, Unit, UnitTarget
from tests.unit.installer.pki.makers import DAY, ca, leaf

INVENTORY = """\
cluster: {name: demo}
nodes:
  - {name: node-1, address: 10.0.0.11, roles: [database, queue, manager]}
  - {name: lb-1, address: 10.0.0.14, roles: [loadbalancer]}
load_balancer: {address: 10.0.0.14}
waive: [single-database, single-queue, queue-beside-database, single-load-balancer]
"""
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n"
NODE, CLIENTS = "nodes/node-1/node.crt", ("cloudify", "patroni", "postgres", "replicator")


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(INVENTORY)
    return load_inventory(path)


class Said:
    def __init__(self):
        self.words = []

    def tell(self, text):
        self.words.append(text)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["node-1/node", *(f"node-1/client-{u}" for u in CLIENTS), "lb-1/node"]),
        ({"nodes": ("lb-1",)}, ["lb-1/node"]),
        ({"services": (Role.QUEUE,)}, ["node-1/node"]),
        ({"services": (Role.MANAGER,)}, ["node-1/node", "node-1/client-cloudify"]),
        ({"services": (Role.LOADBALANCER,), "nodes": ("node-1",)}, []),
    ],
    ids=["all", "node", "queue", "manager", "nothing"],
)
def test_a_renewal_takes_what_was_asked_for(inventory, asked, names):
    chosen = requests_of(inventory, RenewRequest(**asked))

    assert sorted(f"{each.node}/{each.name}" for each in chosen) == sorted(names)


def stage(**changes):
    state = NodeState(
        files=(
            ManagedFile(path="/etc/x/node.crt", content=CERTIFICATE),
            ManagedFile(path="/etc/x/x.conf", content=b"port = 1\n"),
        ),
        units=(Unit(name="x.service"), Unit(name="y.service", target=UnitTarget.STOPPED)),
        absent=("/etc/x/default",),
    )
    gate = Gate(name="x works", check="true")
    step = Step(name="Make x", guard="false", script="true")
    return Stage(**{"name": "x", "state": state, "gate": gate, "steps": (step,)} | changes)


def test_a_renewal_touches_certificates_only():
    """What else was changed since the install is an install's business."""
    part = certificate_part(stage())

    assert [file.path for file in part.state.files] == ["/etc/x/node.crt"]
    assert [unit.name for unit in part.state.units] == ["x.service"]
    assert (part.state.absent, part.steps) == ((), ())


def test_a_stage_without_certificates_is_left_out():
    assert certificate_part(stage(state=NodeState())) is None


def test_the_look_at_the_end_changes_nothing():
    part = gate_part(stage())

    assert (part.state, part.steps) == (NodeState(), ())
    assert part.gate is not None
    assert gate_part(stage(gate=None)) is None


def renewal(inventory, **asked):
    CertificateStore(inventory.certificates_path).ensure(certificate_requests(inventory))
    said = Said()
    return Renewal(inventory, RenewRequest(**asked), said), said


def stems(changes):
    return {change.path.removesuffix(".crt") for change in changes}


def test_a_killed_renewal_issues_only_what_it_had_not(inventory):
    everything = requests_of(inventory, RenewRequest())
    run, _ = renewal(inventory)
    run.issue(everything)
    store = CertificateStore(inventory.certificates_path)
    record = RenewalRecord(Path(inventory.secrets_path.parent / "demo.runs"))
    lost = "nodes/lb-1/node"  # killed before this one
    record.keep(record.old() | {lost: store.fingerprints(everything)[lost]})

    again, said = renewal(inventory)
    issued = again.issue(everything)

    assert stems(issued) == {lost}
    assert "certificates were issued by the run before" in said.words[0]


def test_a_renewal_that_is_refused_is_not_one_to_go_on_with(inventory):
    """After the CA was replaced, the next renewal would believe that its work was done."""
    everything = requests_of(inventory, RenewRequest())
    run, _ = renewal(inventory)
    late = ca(begins=-9 * DAY, ends=-DAY)
    (inventory.certificates_path / "ca.crt").write_bytes(late.pem)
    (inventory.certificates_path / "ca.key").write_bytes(late.key_pem())

    with pytest.raises(ConfigError, match="the CA expired"):
        run.issue(everything)

    assert RenewalRecord(Path(inventory.secrets_path.parent / "demo.runs")).old() == {}


def test_again_issues_everything_anew(inventory):
    everything = requests_of(inventory, RenewRequest())
    run, _ = renewal(inventory)
    run.issue(everything)

    again, _ = renewal(inventory, again=True)

    assert len(again.issue(everything)) == len(everything)


def test_a_killed_renewal_of_all_is_ended_node_by_node_where_one_has_died(inventory):
    """The dead one is left to a later run, which knows what was begun there."""
    run, _ = renewal(inventory)
    everything = requests_of(inventory, RenewRequest())
    run.issue(everything)
    begun = RenewalRecord(runs_folder(inventory)).old()

    one = requests_of(inventory, RenewRequest(nodes=("node-1",)))
    again, _ = renewal(inventory, nodes=("node-1",))
    assert again.nodes(one) == ("node-1",)
    assert again.issue(one) == (), "the killed run has issued them"
    assert RenewalRecord(runs_folder(inventory)).old() == begun
    assert [*again._left()] == ["nodes/lb-1/node"]

    later, _ = renewal(inventory)
    assert later.nodes(()) == ("node-1", "lb-1")


def test_a_record_of_the_day_before_yesterday_says_nothing(tmp_path):
    record = RenewalRecord(tmp_path)
    record.keep({"nodes/lb-1/node": "aa"})
    path = tmp_path / "renewal.json"
    told = json.loads(path.read_text())

    path.write_text(
        json.dumps(told | {"began": (datetime.now(UTC) - timedelta(days=2)).isoformat()})
    )

    assert record.old() == {}


def test_a_certificate_that_no_service_could_use_ends_it_before_any_change(inventory):
    run, _ = renewal(inventory)
    node = inventory.certificates_path / "nodes" / "node-1"
    (node / "node.key").write_bytes((node / "client-patroni.key").read_bytes())

    with pytest.raises(ConfigError, match="not that of the certificate"):
        run.demand_usable(["node-1"])
    run.demand_usable(["lb-1"])


@pytest.mark.parametrize(
    ("works", "nodes", "groups"),
    [
        (True, ("a", "b", "c"), (("a",), ("b", "c"))),
        (False, ("a", "b", "c"), (("a", "b", "c"),)),
        (True, ("a",), (("a",),)),
    ],
    ids=["one first", "all at once", "alone"],
)
def test_one_node_comes_first_unless_nothing_works(works, nodes, groups):
    """After an expiry etcd on one node has no quorum: its port could never be proved alone."""
    assert node_groups(nodes, works=works) == groups


def test_a_cluster_with_a_certificate_that_has_expired_does_not_work():
    good, late = (
        Shown(listener=None, wanted=None, found=read_facts(leaf(ca(), **dates).pem))
        for dates in ({}, {"begins": -2 * DAY, "ends": -DAY})
    )

    assert is_working(Look(shown=(good, good)))
    assert not is_working(Look(shown=(good, late)))
    assert not is_working(Look(shown=(replace(good, found=None),)))
