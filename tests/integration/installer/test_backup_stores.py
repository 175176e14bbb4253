"""Every kind of repository holds backups, WAL and our parts' files, and gives them back."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from installer.backup.settings import BackupSettings, backup_settings
from installer.config.complete import complete
from installer.config.model import NodeInputs
from installer.templates import render
from tests.support.postgres_server import PASSWORD, PostgresServer, free_port, make_server
from tests.support.s3_server import S3Server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("pgbackrest"), reason="pgbackrest is absent: script/setup"),
]

PASSPHRASE = "seals-the-repository-1"
MARKER = b"what nobody may read in the store"


def settings_of(**section) -> BackupSettings:
    section = {"path": "/archive-test", "encryption_password": PASSPHRASE, **section}
    config = complete({"manager": {"private_ip": "127.0.0.1"}, "backup": section})
    read = lambda path: Path(path).read_bytes()  # noqa: E731 - one word
    settings = backup_settings(NodeInputs(name="db-1", config=config, read=read))
    assert settings is not None
    return settings


class Repository:
    """pgBackRest with the product's own configuration, moved to a folder."""

    def __init__(self, home: Path, backup: BackupSettings, server: PostgresServer):
        self.home, self.server = home, server
        text = render(
            "database/pgbackrest.conf.j2",
            db=SimpleNamespace(data_dir=server.home / "data"),
            backup=backup,
            stanza="cloudify",
            sockets=server.home,
            work=home,
        ).decode()
        for name, content in backup.files.items():
            (home / name).write_bytes(content)
        text = text.replace("/etc/pgbackrest/", f"{home}/")
        self.config = home / "pgbackrest.conf"
        self.config.write_text(text + f"pg1-port={server.port}\n")

    def words(self, *words: object) -> list[str]:
        return ["pgbackrest", f"--config={self.config}", "--stanza=cloudify", *map(str, words)]

    def run(self, *words: object, **options) -> bytes:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            self.words(*words),
            capture_output=True,
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGBACKREST_CIPHER_PASS": PASSPHRASE},
            user="postgres",
            cwd="/",
            check=False,
            **options,
        )
        assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
        return done.stdout


@pytest.fixture(params=["directory", "s3"])
def backup(request, server, tmp_path):
    """Return the settings of a repository, and what returns all that its store holds."""
    if request.param == "directory":
        path = server.home / "repository"  # pytest closes its own folders to others
        yield (
            settings_of(repository="directory", path=str(path)),
            lambda: b"".join(file.read_bytes() for file in path.rglob("*") if file.is_file()),
        )
        return
    store = S3Server(tmp_path / "s3")
    store.start()
    own = {
        "endpoint": store.endpoint,
        "bucket": store.bucket,
        "access_key": store.access_key,
        "secret_key": store.secret_key,
        "ca_path": str(store.ca),
    }
    try:
        yield settings_of(repository="s3", s3=own), store.contents
    finally:
        store.stop()


@pytest.fixture
def server():
    """A database server that archives, and nothing in it yet."""
    made = make_server()
    made.stop()
    yield made
    made.stop()
    shutil.rmtree(made.home)


@pytest.fixture
def repository(backup, server):
    """A repository that the server archives to."""
    home = server.home / "pgbackrest"
    home.mkdir()
    found = Repository(home, backup[0], server)
    if backup[0].is_directory:
        Path(backup[0].path).mkdir()
        shutil.chown(backup[0].path, "postgres")
    for path in (home, *home.iterdir()):
        shutil.chown(path, "postgres")
    push = " ".join(found.words("archive-push", "%p"))
    with (server.home / "data/postgresql.conf").open("a") as conf:
        conf.write(
            f"unix_socket_directories = '{server.home}'\nwal_level = replica\n"
            f"archive_mode = on\narchive_command = '{push}'\n"
        )
    server.start()
    found.run("stanza-create")
    return found


def test_a_moment_comes_back_and_parts_lie_beside(repository, backup, server):
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int, said text)")
        connection.execute(
            "INSERT INTO kept SELECT n, %s FROM generate_series(1, 1000) n", [MARKER]
        )
        repository.run("backup", "--type=full")
        ended = int(time.time())
        while int(time.time()) == ended:  # pgBackRest knows the end of a backup to the second
            time.sleep(0.02)
        connection.execute("INSERT INTO kept SELECT 2000 + n, '' FROM generate_series(1, 10) n")
        time.sleep(0.01)  # the moment lies between two transactions
        moment = connection.execute("SELECT clock_timestamp()::text").fetchone()[0]
        connection.execute("DELETE FROM kept")
        connection.execute("SELECT pg_switch_wal()")
        repository.run("check")
    repository.run("repo-put", "cfy/LABEL/files.tar.gz", input=MARKER * 300_000)
    server.stop()

    restored = PostgresServer(server.home / "restored", free_port())
    restored.home.mkdir()
    data = restored.home / "data"
    data.mkdir(mode=0o700)
    for path in (restored.home, data):
        shutil.chown(path, "postgres")
    repository.run(
        "restore",
        f"--pg1-path={data}",
        "--type=time",
        f"--target={moment}",
        "--target-action=promote",
    )
    with (data / "postgresql.auto.conf").open("a") as conf:
        fetch = " ".join(repository.words(f"--pg1-path={data}", "archive-get", "%f", '"%p"'))
        conf.write(
            f"unix_socket_directories = ''\narchive_mode = off\nrestore_command = '{fetch}'\n"
        )
    restored.start()
    try:
        assert rows(restored) == 1010
        parts = repository.run("repo-get", "cfy/LABEL/files.tar.gz")
        assert parts == MARKER * 300_000
        assert repository.run("repo-ls", "cfy").split() == [b"LABEL"]
        assert MARKER not in backup[1](), "the store holds it unsealed"
        repository.run("repo-rm", "cfy/LABEL", "--recurse")
        assert repository.run("repo-ls", "cfy").split() == []
    finally:
        restored.stop()


def rows(server: PostgresServer) -> int:
    deadline = time.monotonic() + 60
    while True:
        with psycopg.connect(server.dsn("postgres")) as connection:
            row = connection.execute(
                "SELECT pg_is_in_recovery(), (SELECT count(*) FROM kept)"
            ).fetchone()
        if row and not row[0]:
            return int(row[1])
        assert time.monotonic() < deadline, "the recovery does not end"
        time.sleep(0.1)
