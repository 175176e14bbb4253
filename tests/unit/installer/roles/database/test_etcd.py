import hashlib

import pytest
import yaml

from installer.roles.database.etcd import etcd_stage, etcd_unit, membership_stage
from installer.roles.database.model import KeyPair
from installer.state import UnitTarget

FIVE = {f"db-{n}": {"ip": f"10.0.0.1{n}"} for n in range(1, 6)}


@pytest.fixture
def config(db):
    def load(**changed):
        state = membership_stage(db(**changed)).state
        files = ("/etc/etcd/etcd.yml", "/etc/etcd/members.yml")
        # as the unit puts them together
        return yaml.safe_load(b"".join(state.file(path).content for path in files))

    return load


def test_every_member_is_in_the_initial_cluster(config):
    assert config()["initial-cluster"].split(",") == [
        "db-1=https://10.0.0.11:2380",
        "db-2=https://10.0.0.12:2380",
        "db-3=https://10.0.0.13:2380",
    ]
    assert config()["name"] == "db-2"


def test_every_url_is_of_this_node_and_speaks_tls(config):
    urls = [value for key, value in config().items() if key.endswith("-urls")]

    assert sorted(urls) == ["https://10.0.0.12:2379"] * 2 + ["https://10.0.0.12:2380"] * 2


def test_clients_must_show_a_certificate_of_the_ca(config):
    """etcd demands one as soon as it has a CA.

    With client-cert-auth its JSON gateway, which Patroni uses, refuses certificates with a common
    name: "CommonName of client sending a request against gateway will be ignored".
    """
    tls = config()["client-transport-security"]

    assert tls["trusted-ca-file"] == "/etc/etcd/tls/ca.crt"
    assert "client-cert-auth" not in tls


def test_peers_must_show_a_certificate_of_the_ca(config):
    tls = config()["peer-transport-security"]

    assert tls["client-cert-auth"] is True
    assert tls["trusted-ca-file"] == "/etc/etcd/tls/ca.crt"


def test_the_gateway_is_on_and_the_old_interface_off(config):
    """With a configuration file etcd turns the gateway off; version 2 knows no Patroni user."""
    assert config()["enable-grpc-gateway"] is True
    assert config()["enable-v2"] is False


def test_the_secret_token_itself_is_not_told_to_etcd(config, db):
    """It writes its configuration to the journal at each start."""
    content = membership_stage(db()).state.file("/etc/etcd/etcd.yml").content

    assert b"token-secret" not in content
    assert config()["initial-cluster-token"] == hashlib.sha256(b"token-secret").hexdigest()


def test_only_etcd_reads_its_token_and_key(db):
    state = membership_stage(db()).state

    for path in ("/etc/etcd/etcd.yml", "/etc/etcd/tls/node.key"):
        file = state.file(path)
        assert (file.owner, file.mode, file.secret) == ("etcd", 0o400, True)


def test_members_restart_one_at_a_time_when_their_configuration_changes(db):
    (unit,) = etcd_stage(db()).state.units

    assert "/etc/etcd/etcd.yml" in unit.restart_on
    assert "/etc/etcd/tls/ca.crt" in unit.restart_on
    assert unit.one_at_a_time
    assert unit.target is UnitTarget.RUNNING


def test_another_list_of_members_restarts_nothing(db):
    """Only the first start of a new cluster reads it: members that run know each other."""
    before, after = (membership_stage(db(**changed)).state for changed in ({}, {"nodes": FIVE}))
    (unit,) = etcd_stage(db()).state.units

    changed = {old.path for old, new in zip(before.files, after.files, strict=True) if old != new}
    assert changed == {"/etc/etcd/members.yml"}
    assert not changed & {*unit.restart_on, *unit.reload_on}


def test_a_node_joins_the_members_that_run_before_it_starts(db):
    (step,) = membership_stage(db()).steps

    assert "joined 10.0.0.12 10.0.0.11 10.0.0.13 <<" in step.guard
    assert "join 10.0.0.12 db-2 10.0.0.11 10.0.0.13 <<" in step.script
    assert set(step.secrets) == {"ETCD_ROOT_PASSWORD"}
    assert membership_stage(db(nodes={})).steps == ()


def test_a_renewed_certificate_restarts_nothing(db):
    """etcd reads it anew for each connection."""
    (unit,) = etcd_stage(db()).state.units

    assert "/etc/etcd/tls/node.crt" not in unit.restart_on


def test_a_node_installed_alone_may_leave_the_quorum_to_the_others(db):
    assert etcd_stage(db()).gate.needs_peers
    assert not etcd_stage(db(nodes={})).gate.needs_peers


def test_passwords_are_demanded_and_reach_the_node_as_secrets(db):
    (step,) = etcd_stage(db()).steps

    assert set(step.secrets) == {"ETCD_ROOT_PASSWORD", "ETCD_PATRONI_PASSWORD"}
    assert step.once


def test_without_passwords_the_certificate_is_all_that_is_demanded(db):
    alone = db(nodes={}, cluster={"etcd": {"root_password": "", "patroni_password": ""}})

    assert etcd_stage(alone).steps == ()


def test_the_unit_waits_for_its_configuration():
    """The package starts the service as soon as it is unpacked."""
    unit = etcd_unit()

    assert unit.before_packages
    assert b"\nConditionPathExists=/etc/etcd/etcd.yml\n" in unit.content


def test_a_key_never_shows_in_a_representation():
    assert "KEY" not in repr(KeyPair(certificate=b"", key=b"KEY"))
