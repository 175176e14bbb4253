"""A manager whose database and broker a provider runs: Amazon's and Azure's ways, certificates.

One sandbox: `provider` plays the provider (tests/support/provider.py says what is real of it).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.sandbox.plan import Node, plan_hosts
from tests.journeys.operator import COMPLETED, Operator, wait_for
from tests.support import provider as played
from tests.support.cfy_client import Cfy, Login
from tests.support.cluster import TOOL, Cluster, tool, wait_until
from tests.support.provider import Provider
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

MANAGER = Node("manager-1", {"default": "10.80.0.11"})
PROVIDER = Node(
    "provider", {"default": "10.80.0.21"}, aliases=(played.DATABASE_NAME, played.BROKER_NAME)
)
CUT_S = 8
SETTLE_S = 15  # cluster status is true within this time after any change
ADMIN_PASSWORD = "Admin-of-the-test-1"
FIRST, SECOND = "First-of-the-test-1", "Second-of-the-test-2"


@dataclass(frozen=True)
class Hosted:
    """The cluster, its provider and a person at the client."""

    cluster: Cluster
    provider: Provider
    operator: Operator

    def reconfigure(self, **sections: dict[str, Any]) -> list[dict[str, Any]]:
        """Replace sections of the settings and install; return what each phase came to."""
        document = self.cluster.document
        document["settings"] |= sections
        self.cluster.inventory.write_text(yaml.safe_dump(document))
        return self.cluster.install()


def database(**changes: Any) -> dict[str, Any]:
    """Return how Amazon RDS is described: plain names, a CA, an administrator."""
    return {
        "host": played.DATABASE_NAME,
        "server_username": played.ADMINISTRATOR,
        "server_password": played.PASSWORD,
        "cloudify_username": "cloudify",
        "cloudify_password": FIRST,
        "ssl_client_verification": False,
        **changes,
    }


def is_unchanged(events: list[dict[str, Any]]) -> bool:
    finished = [event for event in events if event["kind"] == "phase-finished"]
    return {event["outcome"] for event in finished} == {"unchanged"}


def settled(hosted: Hosted) -> dict[str, Any]:
    """Return the cluster's status once it is OK."""
    return wait_for(
        lambda: hosted.operator.cfy.json("cluster", "status"),
        lambda status: status["status"] == "OK",
        timeout_s=SETTLE_S,
    )


@pytest.fixture(scope="module")
def hosted(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("hosted")
    with sandbox_of("hosted", plan_hosts([MANAGER, PROVIDER])) as made:
        provider = Provider(made.name, "provider", folder)
        provider.start(bundle)
        source = folder / "inventory.yaml"
        source.write_text(yaml.safe_dump(inventory(provider)))
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        cluster.install()
        address = MANAGER.addresses["default"]
        login = Login(address, 443, cluster.ca, "admin", ADMIN_PASSWORD)
        client = Cfy(folder / "cfy", login, (*TOOL, "sandbox", "exec", made.name, "--"))
        yield Hosted(cluster, provider, Operator(client.log_in()))


def inventory(provider: Provider) -> dict[str, Any]:
    broker = {
        "is_external": True,
        "port": played.BROKER_PORT,
        "vhost": played.BROKER_VHOST,
        "username": played.BROKER_USER,
        "password": played.PASSWORD,
        "ca_path": str(provider.ca),
        "cluster_members": {"hosted": {"networks": {"default": played.BROKER_NAME}}},
    }
    return {
        "cluster": {"name": "hosted"},
        "nodes": [
            {"name": "manager-1", "address": MANAGER.addresses["default"], "roles": ["manager"]}
        ],
        "settings": {
            "manager": {"security": {"admin_password": ADMIN_PASSWORD}},
            "postgresql_client": database(ca_path=str(provider.ca)),
            "rabbitmq": broker,
        },
    }


def test_a_manager_works_with_a_provider_database_and_broker(hosted: Hosted):
    deployment = hosted.operator.install("hello", {"who": "everyone"})

    assert hosted.operator.outputs(deployment) == {"said": "hello everyone"}
    status = settled(hosted)
    assert {name: s["is_external"] for name, s in status["services"].items()} == {
        "manager": False,
        "db": True,
        "broker": True,
    }


def test_a_second_install_changes_nothing(hosted: Hosted):
    assert is_unchanged(hosted.cluster.install())


def test_nobody_is_superuser_and_nobody_else_may_enter(hosted: Hosted):
    superusers = "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper"
    entry = "SELECT has_database_privilege('public', 'cloudify_db', 'CONNECT')"

    assert hosted.provider.sql(f"{superusers}; {entry}").split() == ["postgres", "f"]


def test_the_manager_s_work_goes_to_the_virtual_host_it_was_given(hosted: Hosted):
    listing = f"rabbitmqctl --silent list_queues -p {played.BROKER_VHOST} name"

    assert "cloudify.management_workflow" in hosted.provider.sh(listing)
    assert hosted.provider.sh("rabbitmqctl --silent list_vhosts").split() == [played.BROKER_VHOST]


def test_a_lost_connection_of_some_seconds_costs_no_workflow(hosted: Hosted):
    """Database and broker go together, in the middle of an operation."""
    deployment = hosted.operator.deploy(hosted.operator.upload("slow"), {"ticks": 30})
    execution = hosted.operator.begin(deployment, "install", "tick 1")

    hosted.cluster.fail("cut", "provider", "--for", str(CUT_S))

    wait_until(
        lambda: hosted.operator.cfy.json("executions", "get", execution)["status"] == COMPLETED,
        "the workflow ends well",
        timeout_s=90,
    )
    assert set(hosted.operator.states(deployment).values()) == {"started"}


def test_the_password_is_changed_and_never_reaches_the_provider_s_log(hosted: Hosted):
    settings = hosted.cluster.document["settings"]["postgresql_client"]

    hosted.reconfigure(postgresql_client=settings | {"cloudify_password": SECOND})

    assert hosted.operator.cfy.json("deployments", "list")
    log = hosted.provider.sh("cat /var/log/postgresql/*.log")
    assert "ALTER ROLE" in log
    assert SECOND not in log
    assert FIRST not in log
    assert is_unchanged(hosted.cluster.install())


def test_login_names_of_azure_s_single_server_name_the_server(hosted: Hosted):
    """The role that the administrator makes has the name without it."""
    at = f"@{played.AZURE_SERVER}"

    hosted.reconfigure(
        postgresql_client=database(
            ca_path=str(hosted.provider.ca),
            port=played.GATEWAY_PORT,
            server_username=played.ADMINISTRATOR + at,
            cloudify_username="azure" + at,
            cloudify_db_name="azure_db",
        )
    )

    owner = "SELECT rolname FROM pg_database JOIN pg_roles r ON r.oid = datdba"
    assert hosted.provider.sql(f"{owner} WHERE datname = 'azure_db'") == "azure"
    assert hosted.operator.cfy.json("deployments", "list") == []
    settled(hosted)


def test_a_database_that_wants_certificates_gets_to_see_them(hosted: Hosted):
    folder = hosted.provider.folder
    certificates = {
        "postgresql_superuser_client": played.CERTIFIED_ADMINISTRATOR,
        "postgresql_client": played.CERTIFIED_DATABASE,
    }

    hosted.reconfigure(
        postgresql_client=database(
            ca_path=str(hosted.provider.both_cas),
            server_username=played.CERTIFIED_ADMINISTRATOR,
            cloudify_username=played.CERTIFIED_DATABASE,
            cloudify_db_name=played.CERTIFIED_DATABASE,
            ssl_client_verification=True,
        ),
        ssl_inputs={
            f"{prefix}_{part}_path": str(folder / f"{user}.{end}")
            for prefix, user in certificates.items()
            for part, end in (("cert", "crt"), ("key", "key"))
        },
    )

    shown = "SELECT bool_and(client_dn = '/CN=certified') FROM pg_stat_ssl JOIN pg_stat_activity"
    assert hosted.provider.sql(f"{shown} USING (pid) WHERE datname = 'certified'") == "t"
    settled(hosted)
