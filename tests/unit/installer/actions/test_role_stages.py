"""What is made of an inventory, or of a node's own file, is all that the roles ask for."""

from pathlib import Path

import pytest

from installer.actions.roles import role_stages
from installer.cluster_secrets import provisional_secrets
from installer.config.complete import complete
from installer.engine.observation import NodeFacts
from installer.expand import certificate_requests, expand
from installer.expand.check import load_cluster
from installer.expand.local import local_node
from installer.inventory import Role
from installer.pki.store import CertificateStore

FOLDER = Path(__file__).parents[4] / "inventories"
INVENTORIES = [FOLDER / f"{name}.yaml" for name in ("all-in-one", "three-nodes", "ten-nodes")]
FACTS = NodeFacts(cpus=2, memory_bytes=4 << 30)


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.stem)
def test_each_role_of_a_cluster_finds_what_it_needs(path, tmp_path):
    assert_complete(load_cluster(path), tmp_path)


@pytest.mark.parametrize("role", Role)
def test_each_other_role_finds_what_it_needs_while_all_hosts_of_one_are_away(role, tmp_path):
    inventory = load_cluster(FOLDER / "ten-nodes.yaml")
    away = {node.name for node in inventory.with_role(role)}

    assert_complete(inventory.without(away), tmp_path)


def assert_complete(inventory, folder):
    """Assert that every node of the inventory has the stages of its roles."""
    certificates = CertificateStore(folder).preview(certificate_requests(inventory))
    nodes = expand(inventory, provisional_secrets(folder / "none"), certificates)

    assert set(nodes) == {node.name for node in inventory.nodes}
    for node in inventory.nodes:
        stages = role_stages(nodes[node.name], FACTS)
        reports = {Role.DATABASE, Role.QUEUE, Role.MANAGER} & {*node.roles}
        assert set(stages) == {*map(str, node.roles), *(["reporter"] if reports else [])}


@pytest.mark.parametrize(
    ("services", "roles"),
    [
        (
            ["database_service", "queue_service", "manager_service"],
            {"database", "queue", "manager", "reporter"},
        ),
        (["database_service"], {"database"}),
        (["queue_service"], {"queue"}),
    ],
)
def test_each_role_of_a_node_by_itself_finds_what_it_needs(services, roles, tmp_path):
    config = complete(
        {
            "manager": {"private_ip": "10.0.0.1", "public_ip": "10.0.0.1", "hostname": "n-1"},
            "services_to_install": services,
        }
    )

    node = local_node(config, tmp_path)

    assert set(role_stages(node.inputs, FACTS)) == roles
