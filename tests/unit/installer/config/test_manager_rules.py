"""What a manager's own file must say of the services that it uses."""

from installer.config.complete import complete
from installer.config.manager_rules import database_client_findings

NODES = {f"postgres-{n}": {"ip": f"10.0.0.1{n}"} for n in (1, 2, 3)}


def manager(**sections):
    node = {"private_ip": "10.0.0.31", "public_ip": "10.0.0.31", "hostname": "manager-1"}
    return complete({"manager": node, "services_to_install": ["manager_service"], **sections})


def test_the_nodes_of_a_database_cluster_are_the_managers_database():
    """The guide's file of a manager lists them there, and names no host."""
    client = {"ca_path": "/ca.crt", "cloudify_password": "Xo3gieW8ooNg4Iey"}

    document = manager(postgresql_server={"cluster": {"nodes": NODES}}, postgresql_client=client)

    assert list(database_client_findings(document)) == []


def test_a_database_cluster_on_other_machines_needs_their_ca():
    document = manager(postgresql_server={"cluster": {"nodes": NODES}})

    assert ("postgresql_client", "ca_path") in [f.path for f in database_client_findings(document)]


def test_a_manager_without_any_database_is_told_so():
    (finding,) = database_client_findings(manager())

    assert "no database" in finding.what
