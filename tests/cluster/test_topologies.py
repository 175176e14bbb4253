"""Configurations that must roll out besides the ten nodes: Debian 12, names, IPv6, single services.

All-in-one is in test_local_install.py and test_virtual_address.py, ten nodes in test_rollout.py, a
provider's database and broker in test_external_services.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.journeys.operator import Operator, wait_for
from tests.support.cfy_client import Cfy, Login
from tests.support.cluster import TOOL, Cluster, tool
from tests.support.sandbox import sandbox_of
from tests.unit.installer.pki.makers import ca, leaf

pytestmark = pytest.mark.cluster

EVERYTHING = ["database", "queue", "manager"]
SETTLE_S = 15  # cluster status is true within this time after any change
OWN_CA = "own-ca.crt"


@dataclass(frozen=True)
class Topology:
    """An inventory, the release of its hosts, and the addresses that clients use."""

    release: str
    nodes: list[dict[str, Any]]
    doors: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    hardening: str = "default"


def _compact_node(number: int, name: str) -> dict[str, Any]:
    return {
        "name": f"node-{number}",
        "address": f"{name}.internal.example",
        "public_address": f"{name}.example.org",
        "roles": EVERYTHING,
    }


NAMES = ("one", "two", "three")
# one inventory says as much as it can, since each costs a minute and a half
NAMED = Topology(
    release="bookworm",
    nodes=[_compact_node(number, name) for number, name in enumerate(NAMES, start=1)],
    doors=("one.example.org", "three.example.org"),
    settings={
        "ssl_inputs": {
            "external_cert_path": "own.crt",
            "external_key_path": "own.key",
            "external_ca_cert_path": OWN_CA,
        }
    },
    hardening="strict",
)
IPV6 = Topology(
    release="trixie",
    nodes=[
        {"name": "db-1", "address": "fd00:77::11", "roles": ["database"]},
        {"name": "queue-1", "address": "fd00:77::12", "roles": ["queue"]},
        *(
            {
                "name": f"manager-{n}",
                "address": f"fd00:77::2{n}",
                "networks": {"agents": f"fd00:88::2{n}"},
                "roles": ["manager"],
            }
            for n in (1, 2)
        ),
        {"name": "lb-1", "address": "fd00:77::31", "roles": ["loadbalancer"]},
    ],
    doors=("fd00:77::31", "fd00:77::22"),
    settings={
        "postgresql_server": {"ssl_client_verification": False},
        "postgresql_client": {"ssl_client_verification": False},
    },
)
TOPOLOGIES = {"three nodes by names on Debian 12": NAMED, "single services by IPv6": IPV6}


@dataclass(frozen=True)
class Rolled:
    """A cluster that is rolled out, and a person at each of its doors."""

    cluster: Cluster
    operators: list[Operator]


@pytest.fixture(scope="module", params=list(TOPOLOGIES.values()), ids=list(TOPOLOGIES))
def rolled(
    machine: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rolled]:
    topology: Topology = request.param
    if topology is IPV6 and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine's kernel has no IPv6")
    bundle = tool("bundle", "build", "--release", topology.release).splitlines()[-1]
    folder = tmp_path_factory.mktemp("topology")
    source = folder / "inventory.yaml"
    source.write_text(yaml.safe_dump(_inventory(topology, folder)))
    with sandbox_of("shape", source, topology.release) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        cluster.install()
        yield Rolled(cluster, [_operator(cluster, topology, door) for door in topology.doors])


def _inventory(topology: Topology, folder: Path) -> dict[str, Any]:
    if "ssl_inputs" in topology.settings:
        authority = ca("Example Organisation")
        made = leaf(
            authority,
            name="cloudify",
            hosts=tuple(node["public_address"] for node in topology.nodes),
        )
        (folder / OWN_CA).write_bytes(authority.pem)
        (folder / "own.crt").write_bytes(made.pem)
        (folder / "own.key").write_bytes(made.key_pem())
    settings = {
        section: {
            key: str(folder / value) if key.endswith("_path") else value
            for key, value in values.items()
        }
        for section, values in topology.settings.items()
    }
    return {
        "cluster": {"name": "shape"},
        "hardening": topology.hardening,
        "nodes": topology.nodes,
        "settings": settings,
    }


def _operator(cluster: Cluster, topology: Topology, door: str) -> Operator:
    own = cluster.document["settings"].get("ssl_inputs", {}).get("external_ca_cert_path")
    login = Login(
        door, 443, Path(own) if own else cluster.ca, "admin", cluster.secrets["admin_password"]
    )
    folder = cluster.inventory.parent / f"cfy-{topology.doors.index(door)}"
    return Operator(Cfy(folder, login, (*TOOL, "sandbox", "exec", cluster.name, "--")).log_in())


def test_the_client_installs_a_blueprint_through_every_door(rolled: Rolled):
    for operator in rolled.operators:
        deployment = operator.install("hello", {"who": "everyone"})

        assert operator.outputs(deployment) == {"said": "hello everyone"}


def test_a_file_of_one_manager_is_there_for_all(rolled: Rolled, tmp_path: Path):
    """What replication has not brought yet comes from the other manager, by its address or name."""
    here, there = rolled.operators
    blueprint = here.upload("hello")

    there.cfy.run("blueprints", "download", blueprint, "-o", tmp_path / "blueprint.tar")

    assert (tmp_path / "blueprint.tar").stat().st_size > 0


def test_cluster_status_shows_every_node_ok(rolled: Rolled):
    cfy = rolled.operators[0].cfy

    status = wait_for(
        lambda: cfy.json("cluster", "status"),
        lambda status: status["status"] == "OK",
        timeout_s=SETTLE_S,
    )

    services = status["services"]
    shown = {
        role: sorted(services[kind]["nodes"])
        for role, kind in (("manager", "manager"), ("database", "db"), ("queue", "broker"))
    }
    assert shown == {role: rolled.cluster.having(role) for role in EVERYTHING}


def test_a_second_install_changes_nothing(rolled: Rolled):
    events = rolled.cluster.install()

    finished = [event for event in events if event["kind"] == "phase-finished"]
    assert {event["outcome"] for event in finished} == {"unchanged"}
