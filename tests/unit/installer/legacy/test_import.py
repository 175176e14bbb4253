"""Old files become valid new ones, and nothing that was unsafe or dead goes over in silence."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from installer.cli import run
from installer.cluster_secrets import load_secrets
from installer.legacy.remarks import table
from installer.pki.authority import create_authority, issue_leaf
from installer.pki.request import LeafRequest

SAMPLES = Path(__file__).with_name("samples")
NODES = ("all-in-one-5.0.5", "database-6.4", "queue-6.4", "manager-azure-7.0")
CLUSTERS = ("cluster-three-nodes", "cluster-nine-nodes", "cluster-external-database")


@pytest.fixture(scope="module")
def certificates():
    authority = create_authority("CA")
    addresses = ("10.0.0.21", "10.0.0.31", "10.0.0.41")
    return authority, issue_leaf(
        authority, replace(LeafRequest(common_name="node"), addresses=addresses)
    )


@pytest.fixture
def old(tmp_path, certificates):
    """Return a maker of an old file in a folder with the certificates that it names."""
    authority, leaf = certificates
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    (tmp_path / "node.crt").write_bytes(leaf.certificate)
    (tmp_path / "node.key").write_bytes(leaf.key)

    def make(name, **changes):
        text = (SAMPLES / f"{name}.yaml").read_text().replace("FOLDER", str(tmp_path))
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        path = tmp_path / "old.yaml"
        path.write_text(text)
        return path

    return make


def imported(path, new, capsys):
    """Return exit code, remarks by key and summary of an import."""
    code = run(["import", str(path), "-o", str(new), "--json"])
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    remarks = {found["remark"]["where"]: found["remark"] for found in objects if "remark" in found}
    return code, remarks, objects[-1]


def validate(summary):
    return run(summary["next"].split()[1:])


@pytest.mark.parametrize("name", [*NODES, *CLUSTERS])
def test_what_is_imported_is_valid(name, old, tmp_path, capsys):
    code, _, summary = imported(old(name), tmp_path / "new.yaml", capsys)

    assert (code, summary["valid"], validate(summary)) == (0, True, 0)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (
            "all-in-one-5.0.5",
            {
                "manager.security.ssl_enabled": "unsafe",
                "manager.security.admin_password": "password",
                "rabbitmq.password": "password",
                "rabbitmq.nodename": "dead",
                "rabbitmq.ca_key_path": "unsafe",
                "rabbitmq.policies[0]": "dead",
                "rabbitmq.policies[1]": "dead",
                "postgresql_server.ssl_enabled": "unsafe",
                "postgresql_client.ssl_enabled": "unsafe",
                "postgresql_client.cloudify_password": "password",
                "stage": "dead",
                "composer": "dead",
                "python": "dead",
                "mgmtworker.max_workers": "dead",
                "usage_collector": "unsafe",
                "prometheus": "dead",
                "service_management": "dead",
                "validations.skip_validations": "unsafe",
                "validations.supported_distros": "dead",
                "services_to_install[3]": "dead",
                "services_to_install[4]": "dead",
                "unconfigured_install": "dead",
            },
        ),
        (
            "database-6.4",
            {
                "postgresql_server.ca_key_path": "unsafe",
                "postgresql_server.ssl_only_connections": "unsafe",
                "postgresql_server.enable_remote_connections": "unsafe",
                "postgresql_server.db_monitoring": "dead",
                "postgresql_server.cluster.nodes.db-1.node_id": "dead",
                "postgresql_server.cluster.nodes.db-2": "moved",
                "services_to_install[1]": "dead",
            },
        ),
        (
            "queue-6.4",
            {
                "rabbitmq.cluster_members.queue-1": "moved",
                "rabbitmq.cluster_members.queue-2": "moved",
                "rabbitmq.cluster_members.queue-3.node_id": "dead",
                "rabbitmq.join_cluster": "dead",
                "rabbitmq.use_hostnames_in_db": "dead",
            },
        ),
        (
            "manager-azure-7.0",
            {
                "postgresql_client.server_password": "password",
                "ssl_inputs.ca_key_path": "unsafe",
                "ssl_inputs.ca_key_password": "unsafe",
                "restservice.insecure_endpoints_disabled": "unsafe",
                "nginx.rate_limit.enabled": "unsafe",
                "api": "dead",
                "services_to_install[1]": "dead",
            },
        ),
        (
            "cluster-three-nodes",
            {
                "ssh_password": "unsafe",
                "manager_rpm_path": "dead",
                "ldap": "dead",
                "ca_cert_path": "moved",
                "ca_key_path": "unsafe",
                "ssl_enabled": "unsafe",
                "existing_vms.node-1.cert_path": "moved",
                "existing_vms.node-1.key_path": "moved",
                "credentials.manager.admin_password": "password",
                "credentials.postgresql.db_monitoring": "dead",
                "credentials.rabbitmq.password": "password",
                "credentials.prometheus": "dead",
            },
        ),
        ("cluster-nine-nodes", {"surprise": "dead"}),
        ("cluster-external-database", {}),
    ],
)
def test_every_unsafe_or_dead_setting_is_told(name, kinds, old, tmp_path, capsys):
    _, remarks, _ = imported(old(name), tmp_path / "new.yaml", capsys)

    told = {where: remark["kind"] for where, remark in remarks.items()}
    assert {where: kind for where, kind in told.items() if remarks[where]["instead"]} == kinds


def test_a_remark_names_the_line(old, tmp_path, capsys):
    path = old("queue-6.4")

    _, remarks, _ = imported(path, tmp_path / "new.yaml", capsys)

    line = path.read_text().splitlines()[remarks["rabbitmq.join_cluster"]["line"] - 1]
    assert "join_cluster" in line


def test_what_the_operator_chose_is_kept(old, tmp_path, capsys):
    imported(old("all-in-one-5.0.5"), tmp_path / "new.yaml", capsys)

    new = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert new["agent"] == {"log_level": "DEBUG"}
    assert new["manager"] == {"private_ip": "10.0.0.11", "public_ip": "192.0.2.11"}
    assert new["postgresql_server"] == {"config": {"work_mem": "16MB"}}
    assert new["validations"] == {"minimum_required_total_physical_memory_in_mb": 3700}
    assert [policy["policy"] for policy in new["rabbitmq"]["policies"]] == [
        {"message-ttl": 1200000, "max-length": 1000000}
    ]
    assert "services_to_install" not in new


def test_secrets_are_apart_for_their_owner_alone(old, tmp_path, capsys):
    imported(old("database-6.4"), tmp_path / "new.yaml", capsys)

    secrets = tmp_path / "new.secrets.yaml"
    text = (tmp_path / "new.yaml").read_text()
    kept = yaml.safe_load(secrets.read_text())["postgresql_server"]
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert kept["postgres_password"] == "Xo3gieW8ooNg4Iey"
    assert kept["cluster"]["postgres"] == {"replicator_password": "dah7iu8Oobae2Aij"}
    assert not {"Xo3gieW8ooNg4Iey", "dah7iu8Oobae2Aij", "opensesame"} & set(text.split())


def test_a_default_password_is_replaced_and_never_shown(old, tmp_path, capsys):
    run(["import", str(old("all-in-one-5.0.5")), "-o", str(tmp_path / "new.yaml")])

    secrets = yaml.safe_load((tmp_path / "new.secrets.yaml").read_text())
    assert secrets["rabbitmq"]["password"] not in ("", "c10udify")
    said = capsys.readouterr().out
    assert secrets["rabbitmq"]["password"] not in said
    assert "c10udify" not in said
    assert "m0n1torify" not in said


def test_a_cluster_keeps_its_machines_and_its_secrets(old, tmp_path, capsys):
    imported(old("cluster-three-nodes"), tmp_path / "new.yaml", capsys)

    new = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert new["ssh"] == {"user": "centos"}
    assert [node["name"] for node in new["nodes"]] == ["host-1", "node-2", "node-3"]
    assert new["nodes"][0]["public_address"] == "192.0.2.11"
    assert new["nodes"][2]["networks"] == {"factory": "10.1.0.13"}
    assert new["nodes"][1]["roles"] == ["database", "queue", "manager"]
    assert new["load_balancer"] == {"address": "10.0.0.100"}
    assert new["settings"] == {
        "restservice": {"gunicorn": {"max_worker_count": 6}},
        "rabbitmq": {"username": "cfy"},
    }
    secrets = load_secrets(tmp_path / "new.secrets.yaml")
    assert secrets["postgres_password"].reveal() == "Xo3gieW8ooNg4Iey"
    assert set(secrets) == {
        *("admin_password", "postgres_password", "etcd_cluster_token", "rabbitmq_password")
    }


def test_machines_are_known_by_their_names(old, tmp_path, capsys):
    imported(old("cluster-nine-nodes"), tmp_path / "new.yaml", capsys)

    nodes = yaml.safe_load((tmp_path / "new.yaml").read_text())["nodes"]
    assert [(node["name"], *node["roles"]) for node in nodes[::3]] == [
        ("postgresql-1", "database"),
        ("rabbitmq-1", "queue"),
        ("manager-1", "manager"),
    ]


def test_the_superuser_of_an_external_database_is_kept_among_the_secrets(old, tmp_path, capsys):
    from installer.cluster_secrets import provisional_secrets
    from installer.expand import expand
    from installer.expand.check import load_cluster

    imported(old("cluster-external-database"), tmp_path / "new.yaml", capsys)

    inventory = load_cluster(tmp_path / "new.yaml")
    nodes = expand(inventory, provisional_secrets(inventory.secrets_path), {})
    client = nodes["manager-1"].config["postgresql_client"]
    assert "iquoh3Wi8iengeiX" not in (tmp_path / "new.yaml").read_text()
    assert client["server_password"] == "iquoh3Wi8iengeiX"
    assert client["cloudify_password"] == "eiy3OoTh8ohGh0co"


def test_nothing_is_written_over(old, tmp_path, capsys):
    new, path = tmp_path / "new.yaml", old("all-in-one-5.0.5")
    new.write_text("mine\n")
    (tmp_path / "new.secrets.yaml").write_text("mine too\n")

    _, _, first = imported(path, new, capsys)
    _, _, second = imported(path, new, capsys)

    assert (new.read_text(), (tmp_path / "new.secrets.yaml").read_text()) == (
        "mine\n",
        "mine too\n",
    )
    assert [first["file"], second["file"]] == [f"{new}.new", f"{new}.new2"]
    assert first["secrets"].endswith("new.secrets.yaml.new")


def test_what_is_left_to_do_is_told(old, tmp_path, capsys):
    path = old("queue-6.4", **{"  erlang_cookie: Gie0aiYahVooz1no\n": ""})

    code = run(["import", str(path), "-o", str(tmp_path / "new.yaml")])

    said = capsys.readouterr().out
    assert code == 3
    assert "Left to do: " in said
    assert "rabbitmq.erlang_cookie" in said
    assert (tmp_path / "new.yaml").exists()


def test_a_machine_whose_work_is_unknown_is_a_problem(old, tmp_path, capsys):
    path = old("cluster-nine-nodes", **{"rabbitmq-2": "machine-5"})

    code = run(["import", str(path), "-o", str(tmp_path / "new.yaml")])

    assert code == 3
    assert "existing_vms.machine-5" in capsys.readouterr().err
    assert not (tmp_path / "new.yaml").exists()


@pytest.mark.parametrize(
    "text",
    [
        "rabbitmq: {policies: [x, 1, {policy: z}], cluster_members: [1]}",
        "rabbitmq: {cluster_members: {a: 5, b: [1]}}",
        "postgresql_server: {cluster: {nodes: {x: null, y: 5}}}",
        "services_to_install: [1, {a: b}]",
        "services_to_install: all",
        "postgresql_server: []\nmanager: 5",
        "manager: {security: {admin_password: 12345678}}",
        "existing_vms: {n-1: {extra_config: 5}, n-2: {extra_config: {networks: 3}}, n-3: {}}",
        "existing_vms: {manager-1: {}}\ncredentials: 7\nexternal_db_configuration: x",
        "existing_vms: []",
    ],
)
def test_an_old_file_that_is_none_is_told_in_words(text, tmp_path, capsys):
    (tmp_path / "old.yaml").write_text(text + "\n")

    code = run(["import", str(tmp_path / "old.yaml"), "-o", str(tmp_path / "new.yaml")])

    said = capsys.readouterr()
    assert code == 3
    assert "→" in said.out + said.err


def test_layers_are_merged_left_to_right(old, tmp_path, capsys):
    over = tmp_path / "over.yaml"
    over.write_text("manager: {public_ip: cfy.example.com}\n")

    run(["import", str(old("all-in-one-5.0.5")), str(over), "-o", str(tmp_path / "new.yaml")])

    new = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert new["manager"]["public_ip"] == "cfy.example.com"


def test_every_entry_of_the_table_says_why_and_what_instead():
    entries = [*table()["config"], *table()["cluster"], *table()["services"].values()]

    assert all(entry["why"] and entry["instead"] and entry["kind"] for entry in entries)
