"""What a database node has where the inventory names a repository, and has not elsewhere."""

import copy

import pytest

from installer.config.complete import complete
from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.engine.removal import removal
from installer.errors import ConfigError
from installer.roles.database.settings import database_settings
from installer.roles.database.state import database_stages
from tests.unit.installer.roles.database.conftest import GIB, SERVER

CONFIG = "/etc/pgbackrest/pgbackrest.conf"
S3 = {
    "endpoint": "s3.example.com",
    "bucket": "backups",
    "access_key": "key-id",
    "secret_key": "s3-secret",
    "ca_path": "/etc/cloudify/ssl/s3.crt",
}
SFTP = {"host": "10.0.0.99", "private_key_path": "/k", "known_hosts_path": "/h"}


def settings(release="trixie", **backup):
    server = copy.deepcopy(SERVER)
    config = complete(
        {
            "manager": {"private_ip": "10.0.0.12"},
            "postgresql_server": server,
            **({"backup": backup} if backup else {}),
        }
    )
    inputs = NodeInputs(name="host-2", config=config, read=lambda path: f"<{path}>".encode())
    return database_settings(inputs, NodeFacts(memory_bytes=4 * GIB, release=release))


def stages(**backup):
    return {stage.name: stage for stage in database_stages(settings(**backup))}


def text(stage, path):
    return stage.state.file(path).content.decode()


def test_without_a_repository_nothing_of_it_is_there():
    found = stages()

    assert "pgbackrest" not in [package.name for package in found["packages"].state.packages]
    assert "archive_mode" not in settings().node_parameters
    assert not [f for f in found["patroni"].state.files if "backup" in f.path]


def test_every_node_archives_its_wal():
    """Any of them may be the primary after the next failover."""
    parameters = settings(repository="directory").node_parameters

    assert parameters["archive_mode"] == "on"
    assert parameters["archive_command"] == "pgbackrest --stanza=cloudify archive-push %p"
    assert parameters["archive_timeout"] == "60s"


def test_patroni_may_write_to_the_directory_and_to_no_other():
    found = stages(repository="directory", path="/mnt/backups")

    unit = text(found["packages"], "/etc/systemd/system/patroni.service")
    assert "ReadWritePaths=/var/lib/postgresql -/mnt/backups\n" in unit
    assert ("/mnt/backups", "postgres") in [
        (d.path, d.owner) for d in found["patroni"].state.directories
    ]
    others = stages(repository="s3", s3=S3)["packages"]
    assert "ReadWritePaths=/var/lib/postgresql\n" in text(
        others, "/etc/systemd/system/patroni.service"
    )


def test_no_database_takes_the_backups_of_all_with_it():
    gone = removal([*stages(repository="directory", path="/mnt/backups").values()], ())

    assert "/var/lib/postgresql/backup" in gone.trees
    assert not any("/mnt/backups".startswith(tree) for tree in gone.trees)


def test_an_s3_store_is_described_with_its_ca_and_the_file_is_secret():
    patroni = stages(repository="s3", path="/prod", s3=S3, encryption_password="seal-word")[
        "patroni"
    ]

    lines = text(patroni, CONFIG).splitlines()
    for line in (
        "repo1-type=s3",
        "repo1-path=/prod",
        "repo1-s3-endpoint=s3.example.com",
        "repo1-s3-uri-style=path",
        "repo1-s3-key-secret=s3-secret",
        "repo1-storage-ca-file=/etc/pgbackrest/storage-ca.crt",
        "repo1-cipher-type=aes-256-cbc",
        "repo1-cipher-pass=seal-word",
    ):
        assert line in lines
    file = patroni.state.file(CONFIG)
    assert (file.owner, file.mode, file.secret) == ("postgres", 0o400, True)


def test_an_sftp_server_is_known_by_its_key():
    patroni = stages(repository="sftp", sftp=SFTP)["patroni"]

    lines = text(patroni, CONFIG).splitlines()
    assert "repo1-sftp-host-key-check-type=strict" in lines
    assert "repo1-sftp-known-host=/etc/pgbackrest/known_hosts" in lines
    assert patroni.state.file("/etc/pgbackrest/sftp.key").mode == 0o400


@pytest.mark.parametrize(
    ("schedule", "timers"),
    [
        ({}, ["cloudify-backup-full.timer", "cloudify-backup-diff.timer"]),
        ({"full": ""}, ["cloudify-backup-diff.timer"]),
        ({"full": "", "differential": ""}, []),
    ],
)
def test_a_timer_runs_for_each_time_that_is_given(schedule, timers):
    patroni = stages(repository="directory", schedule=schedule)["patroni"]

    assert [u.name for u in patroni.state.units if u.name.endswith(".timer")] == timers


def test_debian_12_backs_up_to_no_sftp_server():
    """Its pgBackRest is 2.45; SFTP came with 2.46."""
    with pytest.raises(ConfigError) as caught:
        settings(release="bookworm", repository="sftp", sftp=SFTP)

    assert "sftp" in caught.value.problems[0].what
    assert settings(release="bookworm", repository="s3", s3=S3).backup is not None
