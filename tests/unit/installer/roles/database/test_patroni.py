import os
import re
from dataclasses import replace

import pytest
import yaml

from installer.roles.database.patroni import patroni_stage, patroni_unit
from installer.roles.database.state import database_stages
from installer.state import UnitTarget

CONFIG = "/etc/patroni/config.yml"


@pytest.fixture
def config(db):
    def load(**changed):
        return yaml.safe_load(patroni_stage(db(**changed)).state.file(CONFIG).content)

    return load


def test_the_rest_interface_demands_a_certificate_and_a_password(config):
    rest = config()["restapi"]

    assert rest["verify_client"] == "required"
    assert rest["certfile"] == "/etc/patroni/tls/node.crt"
    assert rest["authentication"] == {"username": "patroni", "password": "rest-secret"}


def test_the_rest_interface_takes_a_further_ca_without_a_restart(db):
    """A reload reads the file anew only under another path."""
    pem = b"-----BEGIN CERTIFICATE-----\n"
    settings = db()

    def cafile(ca):
        trusting = replace(settings, certificates=replace(settings.certificates, ca=ca))
        return yaml.safe_load(patroni_stage(trusting).state.file(CONFIG).content)["restapi"][
            "cafile"
        ]

    paths = [cafile(pem * count) for count in (1, 2, 3)]
    assert paths[0] == "/etc/patroni/tls/ca.crt"
    assert len(set(paths)) == 3
    assert {os.path.normpath(path) for path in paths} == {paths[0]}


def test_patroni_reaches_every_etcd_member_over_tls_with_its_own_password(config):
    etcd = config()["etcd3"]

    assert etcd["hosts"] == ["10.0.0.11:2379", "10.0.0.12:2379", "10.0.0.13:2379"]
    assert (etcd["protocol"], etcd["username"]) == ("https", "patroni")
    assert etcd["password"] == "etcd-patroni-secret"


def test_commits_are_synchronous_and_an_outage_of_etcd_is_survived(config):
    dynamic = config()["bootstrap"]["dcs"]

    assert dynamic["synchronous_mode"] is True
    assert dynamic["synchronous_mode_strict"] is False
    assert dynamic["failsafe_mode"] is True


@pytest.mark.parametrize(
    ("mode", "synchronous", "strict"),
    [("on", True, False), ("strict", True, True), ("off", False, False)],
)
def test_the_synchronous_mode_is_the_operators_choice(config, mode, synchronous, strict):
    dynamic = config(cluster={"synchronous_mode": mode})["bootstrap"]["dcs"]

    assert dynamic["synchronous_mode"] is synchronous
    assert dynamic["synchronous_mode_strict"] is strict


def test_a_single_node_never_waits_for_a_replica(config):
    """In strict mode it would refuse every write."""
    dynamic = config(nodes={}, cluster={"synchronous_mode": "strict"})["bootstrap"]["dcs"]

    assert dynamic["synchronous_mode"] is False
    assert dynamic["synchronous_mode_strict"] is False


def test_data_has_checksums_and_a_former_primary_is_rewound(config):
    assert "data-checksums" in config()["bootstrap"]["initdb"]
    assert config()["bootstrap"]["dcs"]["postgresql"]["use_pg_rewind"] is True
    assert config()["postgresql"]["authentication"]["rewind"]["password"] == "rewind-secret"


def test_nodes_verify_each_other_when_they_replicate(config):
    for login in config()["postgresql"]["authentication"].values():
        assert login["sslmode"] == "verify-full"
        assert login["sslrootcert"] == "/etc/patroni/tls/ca.crt"


def test_users_show_their_own_certificates_where_they_have_one(config, user_certificates):
    found = config(cluster=user_certificates)

    replication = found["postgresql"]["authentication"]["replication"]
    assert replication["sslcert"] == "/etc/patroni/tls/client-replicator.crt"
    assert found["etcd3"]["cert"] == "/etc/patroni/tls/client-patroni.crt"


def test_the_superuser_logs_in_over_the_socket(config):
    assert config()["postgresql"]["use_unix_socket"] is True
    assert config()["postgresql"]["parameters"]["unix_socket_directories"] == "/run/postgresql"


def test_a_single_node_without_remote_connections_listens_on_loopback_only(config):
    alone = config(nodes={}, enable_remote_connections=False, allowed_clients=[])

    assert alone["postgresql"]["listen"] == "localhost:5432"
    assert config()["postgresql"]["listen"] == "*:5432"


def test_a_single_node_may_be_without_passwords(config):
    alone = config(
        nodes={},
        postgres_password="",
        cluster={
            "etcd": {"root_password": "", "patroni_password": ""},
            "patroni": {"rest_password": ""},
            "postgres": {"replicator_password": "", "rewind_password": ""},
        },
    )

    assert "authentication" not in alone["restapi"]
    assert "password" not in alone["postgresql"]["authentication"]["superuser"]
    assert "username" not in alone["etcd3"]


def test_only_postgres_reads_passwords_and_keys(db, user_certificates):
    state = patroni_stage(db(cluster=user_certificates)).state
    secret = [file for file in state.files if file.path.endswith((".key", "config.yml"))]

    assert len(secret) == 5
    assert {(file.owner, file.mode, file.secret) for file in secret} == {("postgres", 0o400, True)}


def test_a_changed_configuration_reloads_and_does_not_restart(db):
    """A restart of the leader would be a failover."""
    (unit,) = patroni_stage(db()).state.units

    assert CONFIG in unit.reload_on
    assert "/etc/patroni/tls/node.crt" in unit.reload_on
    assert unit.restart_on == ("/etc/systemd/system/patroni.service",)
    assert unit.one_at_a_time


def test_postgresql_outlives_a_patroni_that_dies(db):
    assert b"\nKillMode=process\n" in patroni_unit(db()).content


@pytest.mark.parametrize("at", [1, 2])
def test_units_may_do_little(db, at):
    """What `systemd-analyze security` weighs most; the cluster test asks the tool itself."""
    packages, *_ = database_stages(db())
    name = ("etcd", "patroni")[at - 1]
    text = packages.state.file(f"/etc/systemd/system/{name}.service").content.decode()

    for line in (
        "CapabilityBoundingSet=",
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "PrivateDevices=true",
        "MemoryDenyWriteExecute=true",
        "SystemCallFilter=@system-service",
    ):
        assert f"\n{line}\n" in text


def test_machine_code_at_run_time_is_off_as_the_unit_forbids_it(config):
    assert config()["postgresql"]["parameters"]["jit"] == "off"


def test_packages_start_nothing(db):
    packages = database_stages(db())[0].state

    early = {file.path for file in packages.files if file.before_packages}
    assert "/etc/postgresql-common/createcluster.d/10-patroni.conf" in early
    assert "/etc/systemd/system/patroni.service" in early
    (unit,) = packages.units
    assert (unit.name, unit.target) == ("postgresql.service", UnitTarget.MASKED)


def test_the_gate_wants_every_replica_and_a_synchronous_one(db):
    gate = patroni_stage(db()).gate

    assert gate.check.startswith(
        "python3 -I - cluster 10.0.0.12 3 streaming synchronous 10.0.0.11 10.0.0.13 <<'PROBE'\n"
    )
    assert gate.needs_peers


def test_no_secret_is_in_the_text_of_a_step_or_gate(db):
    """The text is shown when a step fails; secrets come by the environment."""
    for stage in database_stages(db()):
        texts = [stage.gate.check] if stage.gate else []
        texts += [text for step in stage.steps for text in (step.guard, step.script)]
        for text in texts:
            assert not re.search(r"-secret\b|SCRAM-SHA-256\$", text)
