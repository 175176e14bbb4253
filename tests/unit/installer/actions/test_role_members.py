"""What `dbs remove` and `brokers remove` refuse."""

from pathlib import Path

import pytest
import yaml

from installer.actions import role_members
from installer.actions.role_members import demand_leaving_broker, demand_leaving_database
from installer.errors import Refused
from installer.status.model import Part
from installer.status.presence import DatabaseMember, Presence

NODES = [
    *({"name": f"db-{n}", "address": f"10.0.0.1{n}", "roles": ["database"]} for n in (1, 2, 3)),
    *({"name": f"mq-{n}", "address": f"10.0.0.2{n}", "roles": ["queue"]} for n in (1, 2)),
    {"name": "mq-3", "address": "10.0.0.23", "roles": ["queue", "manager"]},
]
PRESENCE = Presence(
    databases={
        "db-1": DatabaseMember(etcd=True, follows=True, part=Part.LEADER),
        "db-2": DatabaseMember(etcd=True, follows=True, part=Part.REPLICA),
    },
    brokers={"mq-1": True, "mq-2": False, "mq-3": False},
    managers={},
    balancers={},
)


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch) -> Path:
    """Three databases, of which db-1 leads, and three brokers, of which mq-1 runs."""
    path = tmp_path / "inventory.yaml"
    path.write_text(yaml.safe_dump({"cluster": {"name": "shop"}, "nodes": NODES}))
    monkeypatch.setattr(role_members, "look_around", lambda _: PRESENCE)
    return path


def test_the_leader_is_refused_and_a_replica_is_not(inventory):
    demand_leaving_database(inventory, ["db-2"])

    with pytest.raises(Refused) as error:
        demand_leaving_database(inventory, ["db-2", "db-1"])

    assert [(p.where, p.code) for p in error.value.problems] == [("db-1", "leader-stays")]
    assert error.value.exit_code == 8


def test_a_broker_that_runs_is_refused_and_a_stopped_one_is_not(inventory):
    demand_leaving_broker(inventory, ["mq-2"])

    with pytest.raises(Refused) as error:
        demand_leaving_broker(inventory, ["mq-1"])

    assert [problem.code for problem in error.value.problems] == ["broker-runs"]


def test_a_node_with_other_roles_is_refused(inventory):
    with pytest.raises(Refused, match="queue, manager") as error:
        demand_leaving_broker(inventory, ["mq-3"])

    assert [problem.code for problem in error.value.problems] == ["other-roles"]
