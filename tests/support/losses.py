"""What tests of losses ask of a cluster in the sandbox: its primary, its rows, a token."""

import json

from tests.support.cluster import Cluster

DATABASE = "cloudify_db"


def members(cluster: Cluster) -> dict[str, dict[str, object]]:
    """Return Patroni's view of each member, asked of the first that answers."""
    command = "patronictl -c /etc/patroni/config.yml list --format json"
    for node in cluster.having("database"):
        said = cluster.on(node, "sh", "-c", command, check=False)
        if said.returncode == 0:
            return {member["Member"]: member for member in json.loads(said.stdout)}
    raise AssertionError("Patroni answers on no node")


def leader(cluster: Cluster) -> str:
    return next(name for name, member in members(cluster).items() if member["Role"] == "Leader")


def sql(cluster: Cluster, node: str, statement: str) -> str:
    words = ("runuser", "-u", "postgres", "--", "psql", "-h", "/run/postgresql", "-XAtq")
    return cluster.on(node, *words, "-d", DATABASE, "-c", statement).stdout


def new_token(cluster: Cluster) -> str:
    """Return a token: logins by password are limited to ten a second."""
    url = f"https://{cluster.document['load_balancer']['address']}/api/v3.1/tokens"
    secret = f'user = "admin:{cluster.secrets["admin_password"]}"\n'
    said = cluster.beside(
        *("curl", "-sS", "--fail-with-body", "--cacert", cluster.ca, "-K", "-"),
        *("-H", "Content-Type: application/json", "-H", "Tenant: default_tenant"),
        *("-d", json.dumps({"description": "tests of losses"}), url),
        input=secret,
    )
    token: str = json.loads(said.stdout)["value"]
    return token
