"""What tests of losses ask of a cluster in the sandbox: its primary, its rows, a token."""

import json
import re
import sys

from installer.foresight.forecast import Forecast, Loss
from installer.foresight.outlook import load_outlook
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
    return _member_that_is(cluster, "Leader")


def synchronous_replica(cluster: Cluster) -> str:
    return _member_that_is(cluster, "Sync Standby")


def _member_that_is(cluster: Cluster, role: str) -> str:
    for name, member in members(cluster).items():
        if member["Role"] == role:
            return name
    raise AssertionError(f"no member of the database is {role}")


def etcd_leader(cluster: Cluster) -> str:
    """Return the database node whose member leads etcd, by what each says of itself."""
    for node in cluster.having("database"):
        pair = cluster.pair(node)
        said = cluster.beside(
            *("curl", "-sS", "--fail", "--max-time", "5", "--cacert", cluster.ca),
            *("--cert", pair.certificate, "--key", pair.key),
            f"https://{cluster.address(node)}:2379/metrics",
            check=False,
        )
        if re.search(r"^etcd_server_is_leader 1$", said.stdout, re.MULTILINE):
            return node
    raise AssertionError("no member of etcd leads")


def predicted(cluster: Cluster, loss: Loss) -> Forecast:
    """Return what `cfy_manager cluster forecast` says of a loss."""
    forecast = load_outlook(cluster.inventory).forecast(loss)
    assert forecast is not None
    return forecast


def say(words: str) -> None:
    """Tell a figure; `pytest -s` or `-rP` shows it."""
    sys.stdout.write(words + "\n")


def sql(cluster: Cluster, node: str, statement: str) -> str:
    words = ("runuser", "-u", "postgres", "--", "psql", "-h", "/run/postgresql", "-XAtq")
    return cluster.on(node, *words, "-d", DATABASE, "-c", statement).stdout


def new_token(cluster: Cluster) -> str:
    """Return a token: logins by password are limited to ten a second."""
    url = f"https://{cluster.entry}/api/v3.1/tokens"
    secret = f'user = "admin:{cluster.secrets["admin_password"]}"\n'
    said = cluster.beside(
        *("curl", "-sS", "--fail-with-body", "--cacert", cluster.ca, "-K", "-"),
        *("-H", "Content-Type: application/json", "-H", "Tenant: default_tenant"),
        *("-d", json.dumps({"description": "tests of losses"}), url),
        input=secret,
    )
    token: str = json.loads(said.stdout)["value"]
    return token
