"""Each node gets a complete configuration that holds only what the node itself uses."""

import stat
from pathlib import Path

import pytest
import yaml

from installer.cluster_secrets import SECRET_KINDS, ensure_secrets, provisional_secrets
from installer.config.complete import complete
from installer.expand import certificate_requests, expand, node_files
from installer.expand.check import load_cluster
from installer.inventory import Role, load_inventory
from installer.pki.store import CertificateStore

TEN_NODES = Path(__file__).parents[4] / "inventories/ten-nodes.yaml"

ONE_NODE = """\
cluster: {name: t}
nodes:
  - name: n-1
    address: ADDRESS
    roles: [database, queue, manager]
"""


@pytest.fixture(scope="module")
def ten_nodes(tmp_path_factory):
    """The ten-node cluster, its secrets and its nodes with real certificates."""
    inventory = load_inventory(TEN_NODES)
    folder = tmp_path_factory.mktemp("cluster")
    secrets = ensure_secrets(folder / "secrets.yaml")
    return inventory, secrets, expand(inventory, secrets, issue(inventory, folder))


def issue(inventory, folder):
    requests = certificate_requests(inventory)
    store = CertificateStore(folder / "certificates")
    store.ensure(requests)
    return store.by_node(requests)


def inventory_of(tmp_path, text):
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return load_cluster(path)


def configs_of(tmp_path, text):
    inventory = inventory_of(tmp_path, text)
    nodes = expand(inventory, provisional_secrets(inventory.secrets_path), {})
    return {name: inputs.config for name, inputs in nodes.items()}


def config_text(inputs):
    return node_files(inputs)[0].content.decode()


def test_the_written_file_says_the_same_as_the_inputs(ten_nodes):
    """A node that is installed from its own file later must become the same node."""
    for inputs in ten_nodes[2].values():
        assert complete(yaml.safe_load(config_text(inputs))) == inputs.config


def test_every_file_that_a_configuration_names_is_there(ten_nodes):
    for inputs in ten_nodes[2].values():
        files = node_files(inputs)
        assert all(file.content and file.mode == 0o600 and file.owner == "root" for file in files)
        assert len({file.path for file in files}) == len(files) > 3


@pytest.mark.parametrize(
    ("node", "held"),
    [
        (
            "db-1",
            {
                *("postgres_password", "replicator_password", "rewind_password"),
                *("etcd_cluster_token", "etcd_root_password", "etcd_patroni_password"),
                *("patroni_rest_password", "db_status_reporter"),
            },
        ),
        ("queue-1", {"rabbitmq_password", "erlang_cookie", "broker_status_reporter"}),
        (
            "manager-1",
            {
                *("admin_password", "cloudify_password", "rabbitmq_password"),
                *("hash_salt", "secret_key", "encoding_alphabet", "encryption_key"),
                *("manager_status_reporter", "db_status_reporter", "broker_status_reporter"),
            },
        ),
        ("lb-1", set()),
    ],
)
def test_a_node_holds_the_secrets_of_its_roles_only(node, held, ten_nodes):
    _, secrets, nodes = ten_nodes

    text = config_text(nodes[node])

    assert {name for name, secret in secrets.items() if secret.reveal() in text} == held


def test_no_node_holds_the_key_of_another(ten_nodes):
    keys = [
        file.content
        for inputs in ten_nodes[2].values()
        for file in node_files(inputs)
        if file.path.endswith(".key")
    ]

    assert len(keys) == len(set(keys)) == 22


def test_keys_and_the_configuration_are_never_shown(ten_nodes):
    for inputs in ten_nodes[2].values():
        for file in node_files(inputs):
            assert file.secret == (not file.path.endswith(".crt"))


def test_a_second_expansion_is_identical(ten_nodes):
    inventory, secrets, first = ten_nodes

    second = expand(inventory, secrets, {})

    assert {name: inputs.config for name, inputs in first.items()} == {
        name: inputs.config for name, inputs in second.items()
    }


def test_managers_know_every_database_broker_and_manager(ten_nodes):
    config = ten_nodes[2]["manager-2"].config

    assert config["postgresql_client"]["host"] == ["10.77.0.11", "10.77.0.12", "10.77.0.13"]
    assert list(config["rabbitmq"]["cluster_members"]) == ["queue-1", "queue-2", "queue-3"]
    assert config["status_reporter"]["managers_ip"] == ["10.77.0.17", "10.77.0.18", "10.77.0.19"]
    assert list(config["postgresql_server"]["cluster"]["nodes"]) == ["db-1", "db-2", "db-3"]


def test_a_database_lets_in_managers_and_databases_only(ten_nodes):
    inventory, _, nodes = ten_nodes
    expected = [
        node.address for role in (Role.DATABASE, Role.MANAGER) for node in inventory.with_role(role)
    ]

    assert nodes["db-1"].config["postgresql_server"]["allowed_clients"] == expected


def test_managers_and_load_balancers_answer_to_the_common_address():
    requests = {
        request.node: request for request in certificate_requests(load_inventory(TEN_NODES))
    }

    assert "10.77.0.20" in requests["lb-1"].addresses
    requests = {
        request.node: request
        for request in certificate_requests(load_inventory(TEN_NODES))
        if request.name == "node"
    }

    assert "10.77.0.20" in requests["lb-1"].addresses
    assert "10.77.0.20" in requests["manager-1"].addresses
    assert "10.77.0.20" not in requests["db-1"].addresses


def test_an_external_database_is_reached_with_the_providers_ca(tmp_path):
    (tmp_path / "provider.pem").write_text("PROVIDER")
    inventory = inventory_of(
        tmp_path,
        "cluster: {name: t}\n"
        "nodes: [{name: n-1, address: 10.0.0.1, roles: [queue, manager]}]\n"
        "settings:\n"
        "  postgresql_client:\n"
        "    {host: db.example.com, ca_path: provider.pem, server_password: Xo3gieW8ooNg4Iey}\n",
    )

    inputs = expand(inventory, provisional_secrets(inventory.secrets_path), {})["n-1"]

    path = inputs.config["postgresql_client"]["ca_path"]
    assert inputs.read(path) == b"PROVIDER"
    assert inputs.config["postgresql_client"]["host"] == "db.example.com"
    assert not inputs.config["ssl_inputs"]["postgresql_client_cert_path"]


def test_external_brokers_are_taken_from_the_settings(tmp_path):
    (tmp_path / "mq.pem").write_text("PROVIDER")
    config = configs_of(
        tmp_path,
        "cluster: {name: t}\n"
        "nodes: [{name: n-1, address: 10.0.0.1, roles: [database, manager]}]\n"
        "settings:\n"
        "  rabbitmq:\n"
        "    is_external: true\n"
        "    username: someone\n"
        "    password: Xo3gieW8ooNg4Iey\n"
        "    ca_path: mq.pem\n"
        "    cluster_members: {mq: {networks: {default: mq.example.com}}}\n",
    )["n-1"]

    assert config["rabbitmq"]["password"] == "Xo3gieW8ooNg4Iey"
    assert list(config["rabbitmq"]["cluster_members"]) == ["mq"]


def test_a_password_of_the_settings_reaches_its_users_only(tmp_path):
    """The database gets a verifier of it, as of a generated one."""
    text = TEN_NODES.read_text() + "  postgresql_client: {cloudify_password: Xo3gieW8ooNg4Iey}\n"

    configs = configs_of(tmp_path, text)

    assert configs["manager-1"]["postgresql_client"]["cloudify_password"] == "Xo3gieW8ooNg4Iey"
    assert "Xo3gieW8ooNg4Iey" not in str(configs["db-1"]) + str(configs["queue-1"])


def test_a_secret_of_the_settings_is_not_copied_with_its_section(tmp_path):
    """Managers use the section `rabbitmq` too, but not the brokers' cookie."""
    text = TEN_NODES.read_text() + "  rabbitmq: {erlang_cookie: Gie0aiYahVooz1no}\n"

    configs = configs_of(tmp_path, text)

    assert configs["queue-1"]["rabbitmq"]["erlang_cookie"] == "Gie0aiYahVooz1no"
    assert "Gie0aiYahVooz1no" not in str(configs["manager-1"])


def test_further_clients_of_the_database_are_added_to_the_clusters_own(tmp_path):
    text = TEN_NODES.read_text().replace(
        "  postgresql_server:\n", "  postgresql_server:\n    allowed_clients: [10.9.0.0/24]\n"
    )

    clients = configs_of(tmp_path, text)["db-1"]["postgresql_server"]["allowed_clients"]

    assert {"10.77.0.11", "10.77.0.17", "10.9.0.0/24"} <= {*clients}


@pytest.mark.parametrize(
    "address", ["'fd00:77::11'", "'2001:10:20:30:40:50:1:2'", "node.example.com"]
)
def test_ipv6_addresses_and_host_names_are_addresses(address, tmp_path):
    config = configs_of(tmp_path, ONE_NODE.replace("ADDRESS", address))["n-1"]

    assert config["manager"]["private_ip"] == address.strip("'")
    assert config["postgresql_client"]["host"] == [address.strip("'")]


def test_an_ipv6_address_needs_no_quotes(tmp_path):
    """YAML 1.1 would read it as a number of base 60."""
    config = configs_of(tmp_path, ONE_NODE.replace("ADDRESS", "2001:10:20:30:40:50:1:2"))["n-1"]

    assert config["manager"]["private_ip"] == "2001:10:20:30:40:50:1:2"


def test_a_node_answers_in_each_of_its_networks(tmp_path):
    text = ONE_NODE.replace(
        "ADDRESS", "10.0.0.1\n    networks: {agents: 10.9.0.1, edge: e.example.com}"
    )
    inventory = inventory_of(tmp_path, text)

    config = configs_of(tmp_path, text)["n-1"]
    request = certificate_requests(inventory)[0]

    assert config["networks"] == {
        "default": "10.0.0.1",
        "external": "10.0.0.1",
        "agents": "10.9.0.1",
        "edge": "e.example.com",
    }
    assert {"10.0.0.1", "10.9.0.1"} <= {*request.addresses}
    assert {"n-1", "e.example.com", "localhost"} <= {*request.dns_names}
    members = config["rabbitmq"]["cluster_members"]
    assert members["n-1"]["networks"]["agents"] == "10.9.0.1"


def test_a_node_with_several_roles_has_the_union(tmp_path):
    config = configs_of(tmp_path, ONE_NODE.replace("ADDRESS", "10.0.0.1"))["n-1"]

    assert config["services_to_install"] == ["database_service", "queue_service", "manager_service"]
    assert config["postgresql_server"]["postgres_password"]
    assert config["postgresql_server"]["cert_path"]
    assert config["rabbitmq"]["erlang_cookie"]
    assert config["flask_security"]["secret_key"]


def test_two_load_balancers_share_an_address_and_a_password(tmp_path):
    text = TEN_NODES.read_text().replace("  address: 10.77.0.20\n", "  virtual_ip: 10.77.0.100\n")
    text = text.replace(
        "\n# What clients",
        "  - {name: lb-2, address: 10.77.0.21, roles: [loadbalancer]}\n\n# What clients",
    )

    configs = configs_of(tmp_path, text)

    first, second = configs["lb-1"]["loadbalancer"], configs["lb-2"]["loadbalancer"]
    assert list(first["peers"]) == ["lb-2"]
    assert first["vrrp_password"] == second["vrrp_password"] != ""
    assert first["virtual_ip"] == "10.77.0.100"


def test_a_load_balancer_has_the_virtual_address_before_there_is_another_one(tmp_path):
    """Clients use it from the first day, so that a second one can come and go."""
    text = TEN_NODES.read_text().replace("  address: 10.77.0.20\n", "  virtual_ip: 10.77.0.100\n")

    own = configs_of(tmp_path, text)["lb-1"]["loadbalancer"]

    assert (own["virtual_ip"], own["peers"]) == ("10.77.0.100", {})


def test_secrets_are_made_once_for_their_owner_only(tmp_path):
    path = tmp_path / "t.secrets.yaml"

    first, second = ensure_secrets(path), ensure_secrets(path)

    assert first == second
    assert set(first) == {name for name, kind in SECRET_KINDS.items() if kind.make}
    assert "server_password" not in first  # known to its owner only
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_missing_secret_is_added_and_the_others_stay(tmp_path):
    path = tmp_path / "t.secrets.yaml"
    ensure_secrets(path)
    kept = [line for line in path.read_text().splitlines() if "erlang" not in line]
    path.write_text("\n".join(["# my own remark", *kept]))

    secrets = ensure_secrets(path)

    lines = path.read_text().splitlines()
    assert lines[: len(kept) + 1] == ["# my own remark", *kept]
    assert lines[len(kept) + 1 :] == [f"erlang_cookie: '{secrets['erlang_cookie'].reveal()}'"]


@pytest.mark.parametrize(
    ("mode", "text", "what"),
    [
        (0o644, "admin_password: Xo3gieW8ooNg4Iey\n", "others may read it"),
        (0o600, "admin_pasword: Xo3gieW8ooNg4Iey\n", "did you mean `admin_password`"),
        (0o600, "admin_password: 12345678901\n", "this is no text"),
        (0o600, "admin_password: a\nadmin_password: b\n", "the key stands twice"),
        (0o600, "admin_password: c10udify\n", "well-known"),
        (0o600, "erlang_cookie: abc\n", "fewer than 8"),
    ],
)
def test_a_bad_secrets_file_is_refused_and_kept(mode, text, what, tmp_path):
    path = tmp_path / "t.secrets.yaml"
    path.write_text(text)
    path.chmod(mode)

    with pytest.raises(Exception, match=what) as caught:
        ensure_secrets(path)

    assert caught.value.exit_code == 3
    assert path.read_text() == text


def test_checking_a_cluster_writes_nothing(tmp_path):
    inventory_of(tmp_path, ONE_NODE.replace("ADDRESS", "10.0.0.1"))

    assert [path.name for path in tmp_path.iterdir()] == ["cluster.yaml"]
