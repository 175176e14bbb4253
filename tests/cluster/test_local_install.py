"""Hosts installed one by one, each from its own config.yaml, as the cluster guide has it."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.by_hand import BUNDLE, CONFIG, Host, client, dumped
from tests.support.cluster import tool, wait_until
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

ALL = ("database_service", "queue_service", "manager_service")
# what stays by promise, and what others than us write
KEPT = (
    "/etc/cloudify",
    "/opt/cfy_manager",
    "/usr/local/bin",
    "/var/lib/cfy_manager",
    "/var/log",
    "/root",
    "/var/lib/systemd",
    "/var/lib/dpkg",
    "/var/lib/apt",
    "/var/cache",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/machine-id",
    "/etc/default/locale",  # purging Debian's package locales deletes it
    "/var/lib/ucf",
)


@dataclass
class OneNode:
    """A host that was installed from two addresses."""

    host: Host
    before: set[str]
    first: dict[str, Any]
    folder: Path
    words: tuple[str, ...] = field(default=())

    def cfy(self, *words: str | Path) -> str:
        return client(self.host.sandbox, self.folder, *words)


@pytest.fixture(scope="module")
def one_node(
    machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OneNode]:
    with sandbox_of("one", 1) as sandbox:
        host = Host(sandbox, sandbox.hosts[0])
        host.bring(bundle, ALL)
        before = host.snapshot(KEPT)
        host.write("/root/config.yaml", dumped({"bundle": {"path": BUNDLE}}))
        address = host.address
        words = ("-c", "/root/config.yaml", "--private-ip", address, "--public-ip", address)
        first = host.install(*words)
        yield OneNode(host, before, first, tmp_path_factory.mktemp("cfy"), words)


def test_two_addresses_make_a_manager_that_is_wholly_ok(one_node: OneNode):
    host = one_node.host
    ca = one_node.folder / "ca.crt"
    ca.write_text(host.run("cat", "/etc/cloudify/ssl/ca.crt"))
    password = host.sh(
        "sed -n \"s/^admin_password: '\\(.*\\)'/\\1/p\" /var/lib/cfy_manager/secrets.yaml"
    )
    login = ("-u", "admin", "-p", password.strip(), "-t", "default_tenant", "--ssl", "-c", ca)

    one_node.cfy("profiles", "use", host.address, *login)

    def is_ok() -> bool:
        status = json.loads(one_node.cfy("cluster", "status", "--json"))
        kinds = {kind: service["status"] for kind, service in status["services"].items()}
        return status["status"] == "OK" and kinds == dict.fromkeys(
            ("manager", "db", "broker"), "OK"
        )

    wait_until(is_ok, "every service reports that it is well", timeout_s=30)
    assert "Inactive" not in one_node.cfy("status")


def test_a_second_installation_changes_nothing(one_node: OneNode):
    assert one_node.host.install(*one_node.words)["changes"] == []


def test_its_key_changes_and_a_secret_is_read_all_the_same(one_node: OneNode):
    host = one_node.host
    one_node.cfy("secrets", "create", "kept", "-s", "what must be readable")
    before = host.run("cat", "/var/lib/cfy_manager/secrets.yaml")

    told = host.manage("update-encryption-key")

    after = host.run("cat", "/var/lib/cfy_manager/secrets.yaml")
    assert "The key is changed" in told
    assert [line.split(":")[0] for line in set(before.splitlines()) - set(after.splitlines())] == [
        "encryption_key"
    ]
    assert "what must be readable" in one_node.cfy("secrets", "get", "kept")


def test_a_further_network_is_in_its_certificate_and_its_configuration(one_node: OneNode):
    host = one_node.host
    words = ("add-networks", "edge=10.78.0.11", "-c", "/root/config.yaml")
    refused = host.try_run("cfy_manager", *words)
    host.run("ip", "address", "add", "10.78.0.11/24", "dev", "host0")

    host.manage(*words)

    assert refused.returncode == 8
    assert "edge: 10.78.0.11" in host.run("cat", "/root/config.yaml")
    names = "openssl x509 -noout -ext subjectAltName -in /etc/cloudify/ssl/node.crt"
    assert "IP Address:10.78.0.11" in host.sh(names)
    (manager,) = json.loads(one_node.cfy("cluster", "managers", "list", "--json"))
    assert manager["networks"]["edge"] == "10.78.0.11"
    assert "is sane" in host.manage("sanity-check")


def test_removing_one_service_keeps_what_the_others_need(one_node: OneNode):
    host = one_node.host

    told = host.manage("remove", "queue_service", "--yes")

    assert "purge package rabbitmq-server" in told
    assert host.try_run("id", "rabbitmq").returncode != 0
    assert not host.sh("ls -d /var/lib/rabbitmq /etc/rabbitmq 2>/dev/null || true").strip()
    units = ("patroni", "etcd", "nginx", "cloudify-restservice", "cloudify-status-reporter")
    assert set(host.run("systemctl", "is-active", *units).split()) == {"active"}
    assert "broker" not in host.manage("status-reporter", "show-configuration")


def test_a_removal_leaves_the_host_as_it_was_before(one_node: OneNode):
    host = one_node.host

    host.manage("remove", "--yes")

    after = host.snapshot(KEPT)
    assert sorted(one_node.before ^ after) == []
    assert host.run("cat", "/root/config.yaml")
    assert host.run("ls", "/etc/cloudify/ssl/node.key")


DATABASES, BROKERS, MANAGERS = slice(0, 3), slice(3, 6), slice(6, 8)


@dataclass
class Guide:
    """Eight hosts, installed in the order of the guide."""

    hosts: list[Host]
    folder: Path
    secrets: dict[str, str]
    installed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def managers(self) -> list[Host]:
        return self.hosts[MANAGERS]

    def install_in_order(self, hosts: list[Host]) -> None:
        for host in hosts:
            address = host.address
            words = ("--private-ip", address, "--public-ip", address)
            self.installed[host.name] = host.install(*words)

    def cfy(self, *words: str | Path) -> str:
        return client(self.hosts[0].sandbox, self.folder, *words)


@pytest.fixture(scope="module")
def guide(machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    folder = tmp_path_factory.mktemp("guide")
    names = (
        "postgres",
        "etcd_token",
        "etcd_root",
        "etcd_patroni",
        "rest",
        "replicator",
        "queue",
        "cookie",
        "admin",
        "cloudify",
        "hash_salt",
        "secret_key",
        "encryption_key",
    )
    with sandbox_of("guide", 8) as sandbox:
        hosts = [Host(sandbox, name) for name in sandbox.hosts]
        made = Guide(hosts, folder, {name: secrets.token_urlsafe(24) for name in names})
        prepare(made, bundle)
        databases_and_brokers = (hosts[DATABASES], hosts[BROKERS])
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(made.install_in_order, databases_and_brokers))
        made.install_in_order(made.managers)
        yield made


def prepare(guide: Guide, bundle: Path) -> None:
    """Copy bundle, certificates and config.yaml to each host."""
    services = ["database_service"] * 3 + ["queue_service"] * 3 + ["manager_service"] * 2
    sections = {
        "database_service": database_file,
        "queue_service": queue_file,
        "manager_service": manager_file,
    }
    for host, service in zip(guide.hosts, services, strict=True):
        certificate, key, ca = issue(guide.folder, host)
        host.write("/root/certs/node.crt", certificate)
        host.write("/root/certs/node.key", key)
        host.write("/root/certs/ca.crt", ca)
        document = sections[service](guide, host)
        ours = {"services_to_install": [service], "bundle": {"path": BUNDLE}}
        host.write(CONFIG, dumped({**document, **ours}))
    with ThreadPoolExecutor(2) as pool:
        pairs = zip(guide.hosts, services, strict=True)
        list(pool.map(lambda pair: pair[0].bring(bundle, [pair[1]]), pairs))


def issue(home: Path, host: Host) -> tuple[str, str, str]:
    """Issue a test certificate as the command tells, and return its files' contents."""
    told = tool(
        "generate-test-cert",
        "-s",
        f"{host.name},{host.address},localhost,127.0.0.1",
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    paths = [Path(line.split()[-1]) for line in told.splitlines()[:3]]
    certificate, key, ca = (path.read_text() for path in paths)
    return certificate, key, ca


CERTIFICATES = {
    "cert_path": "/root/certs/node.crt",
    "key_path": "/root/certs/node.key",
    "ca_path": "/root/certs/ca.crt",
}


def database_nodes(guide: Guide) -> dict[str, Any]:
    return {f"postgres-{n}": {"ip": h.address} for n, h in enumerate(guide.hosts[DATABASES], 1)}


def database_file(guide: Guide, _: Host) -> dict[str, Any]:
    """Return the guide's file of a PostgreSQL node."""
    return {
        "postgresql_server": {
            "postgres_password": guide.secrets["postgres"],
            **CERTIFICATES,
            "cluster": {
                "nodes": database_nodes(guide),
                "etcd": {
                    "cluster_token": guide.secrets["etcd_token"],
                    "root_password": guide.secrets["etcd_root"],
                    "patroni_password": guide.secrets["etcd_patroni"],
                },
                "patroni": {"rest_password": guide.secrets["rest"]},
                "postgres": {"replicator_password": guide.secrets["replicator"]},
            },
            "enable_remote_connections": True,
            "ssl_enabled": True,
            "ssl_only_connections": True,
            "ssl_client_verification": False,
        }
    }


def members(guide: Guide) -> dict[str, Any]:
    return {h.name: {"networks": {"default": h.address}} for h in guide.hosts[BROKERS]}


def queue_file(guide: Guide, host: Host) -> dict[str, Any]:
    """Return the guide's file of a broker; all but the first join the first."""
    first = guide.hosts[BROKERS][0]
    return {
        "rabbitmq": {
            "username": "cfy_queue",
            "password": guide.secrets["queue"],
            "cluster_members": members(guide),
            **CERTIFICATES,
            "nodename": host.name,
            **({} if host == first else {"join_cluster": first.name}),
            "erlang_cookie": guide.secrets["cookie"],
        }
    }


def manager_file(guide: Guide, _: Host) -> dict[str, Any]:
    """Return the file of a manager; flask_security is what managers share beyond the guide."""
    return {
        "manager": {"security": {"admin_password": guide.secrets["admin"]}},
        "rabbitmq": {
            "username": "cfy_queue",
            "password": guide.secrets["queue"],
            "ca_path": "/root/certs/ca.crt",
            "cluster_members": members(guide),
        },
        "postgresql_server": {
            "ca_path": "/root/certs/ca.crt",
            "cluster": {"nodes": database_nodes(guide)},
        },
        "postgresql_client": {
            "ssl_enabled": True,
            "ca_path": "/root/certs/ca.crt",
            "server_password": guide.secrets["postgres"],
            "cloudify_password": guide.secrets["cloudify"],
        },
        "ssl_inputs": {
            "internal_cert_path": "/root/certs/node.crt",
            "internal_key_path": "/root/certs/node.key",
            "external_cert_path": "/root/certs/node.crt",
            "external_key_path": "/root/certs/node.key",
            "ca_cert_path": "/root/certs/ca.crt",
        },
        "flask_security": {
            "hash_salt": guide.secrets["hash_salt"],
            "secret_key": guide.secrets["secret_key"],
            "encryption_key": guide.secrets["encryption_key"],
            "encoding_alphabet": ALPHABET,
        },
    }


ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def outcomes(guide: Guide, part: slice) -> list[bool]:
    """Return for each host whether something of its installation waited for peers."""
    return [
        "deferred" in guide.installed[host.name]["outcomes"].values() for host in guide.hosts[part]
    ]


@pytest.mark.parametrize("part", [DATABASES, BROKERS], ids=["databases", "brokers"])
def test_a_node_of_a_cluster_waits_for_its_peers_and_the_last_completes_it(
    guide: Guide, part: slice
):
    waited = outcomes(guide, part)

    assert waited[0]
    assert not waited[-1]


@pytest.mark.parametrize("part", [DATABASES, BROKERS, MANAGERS], ids=["db", "mq", "manager"])
def test_a_node_that_waited_has_nothing_left_to_do_once_the_cluster_is_complete(
    guide: Guide, part: slice
):
    first = guide.hosts[part][0]
    words = ("--private-ip", first.address, "--public-ip", first.address)

    completed, again = first.install(*words), first.install(*words)

    assert {"deferred", "failed"}.isdisjoint(completed["outcomes"].values())
    assert again["changes"] == []


def test_the_databases_of_the_guide_are_one_cluster(guide: Guide):
    first = guide.hosts[0]

    def roles() -> list[str]:
        cluster = json.loads(first.run("python3", "-c", GET, first.address))
        return sorted(
            m["role"] for m in cluster["members"] if m["state"] in ("running", "streaming")
        )

    wait_until(
        lambda: roles() == ["leader", "replica", "sync_standby"],
        "one leader and two replicas, one of them synchronous",
        timeout_s=60,
    )


GET = """\
import ssl, sys, urllib.request
trusted = ssl.create_default_context(cafile="/root/certs/ca.crt")
trusted.load_cert_chain("/root/certs/node.crt", "/root/certs/node.key")
url = f"https://{sys.argv[1]}:8008/cluster"
print(urllib.request.urlopen(url, timeout=10, context=trusted).read().decode())
"""


def test_the_brokers_of_the_guide_are_one_cluster(guide: Guide):
    status = json.loads(guide.hosts[3].run("rabbitmqctl", "cluster_status", "--formatter", "json"))

    assert len(status["running_nodes"]) == 3


@pytest.fixture(scope="module")
def reporting(guide: Guide) -> dict[str, str]:
    """Set the reporters of databases and brokers up by hand; return the tokens."""
    tokens = [
        json.loads(m.manage("status-reporter", "get-tokens", "--json")) for m in guide.managers
    ]
    assert tokens[0] == tokens[1]
    addresses = [manager.address for manager in guide.managers]
    for host in guide.hosts[:6]:
        kind = "db" if host in guide.hosts[DATABASES] else "broker"
        host.manage(
            "status-reporter",
            "configure",
            "--token",
            "-",
            "--ca-path",
            "/root/certs/ca.crt",
            "--managers-ip",
            addresses[0],
            stdin=tokens[0][f"{kind}_status_reporter"] + "\n",
        )
    ca = guide.folder / "ca.crt"
    ca.write_text(guide.hosts[0].run("cat", "/root/certs/ca.crt"))
    login = ("-u", "admin", "-p", guide.secrets["admin"], "-t", "default_tenant", "--ssl", "-c", ca)
    guide.cfy("profiles", "use", addresses[1], *login)
    return dict(tokens[0])


def cluster_status(guide: Guide) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(guide.cfy("cluster", "status", "--json"))
    return status


def test_every_node_is_ok_once_its_reporter_is_configured(guide: Guide, reporting: dict[str, str]):
    def is_ok() -> bool:
        status = cluster_status(guide)
        counts = {kind: len(found["nodes"]) for kind, found in status["services"].items()}
        return status["status"] == "OK" and counts == {"manager": 2, "db": 3, "broker": 3}

    wait_until(is_ok, "all eight nodes are OK", timeout_s=30)


def test_a_reporter_shows_its_configuration_without_its_token(
    guide: Guide, reporting: dict[str, str]
):
    host = guide.hosts[0]

    shown = json.loads(host.manage("status-reporter", "show-configuration", "--json"))

    assert shown["managers_ips"][0] == guide.managers[0].address
    assert shown["node_id"] == host.manage("node", "get-id").strip()
    assert not any(token in json.dumps(shown) for token in reporting.values())


def test_a_stopped_reporter_shows_in_the_status_and_a_started_one_heals_it(
    guide: Guide, reporting: dict[str, str]
):
    host = guide.hosts[5]

    def broker_status() -> str:
        status: str = cluster_status(guide)["services"]["broker"]["status"]
        return status

    host.manage("status-reporter", "stop")
    wait_until(lambda: broker_status() != "OK", "the silent broker is missed", timeout_s=30)
    host.manage("status-reporter", "start")

    wait_until(lambda: broker_status() == "OK", "the broker reports again", timeout_s=30)


def test_a_removed_reporter_leaves_the_service_it_watched_alone(
    guide: Guide, reporting: dict[str, str]
):
    host = guide.hosts[2]

    host.manage("status-reporter", "remove")

    assert host.try_run("id", "cfyreporter").returncode != 0
    assert host.try_run("test", "-e", "/opt/status-reporter").returncode != 0
    assert host.run("systemctl", "is-active", "patroni", "etcd").split() == ["active", "active"]
    missing = host.try_run("cfy_manager", "status-reporter", "show-configuration")
    assert missing.returncode == 3
    assert "status-reporter configure" in missing.stderr
