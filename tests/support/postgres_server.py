"""A private PostgreSQL server on loopback, owned by an unprivileged user, stopped by its pid."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from manager.settings import DatabaseSettings, NodeAddress

PASSWORD = "loopback-only"
_CONF = """
unix_socket_directories = ''
max_connections = 200
"""
_HASTY = """
fsync = off
shared_buffers = 32MB
"""


@dataclass
class PostgresServer:
    """A running server; `stop` and `start` take it away and bring it back."""

    home: Path
    port: int
    address: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = None

    def start(self, *, is_primary: bool = True) -> None:
        """Start the server and wait until it takes connections; a standby's are read-only."""
        read_only = "off" if is_primary else "on"
        command = [_binary("postgres"), "-D", str(self.home / "data"), "-p", str(self.port)]
        command += ["-h", self.address, "-c", f"default_transaction_read_only={read_only}"]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=log,
                **_as_unprivileged(),
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError((self.home / "server.log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=20)
            self.process = None

    def dsn(self, database: str) -> str:
        """Return libpq's connection string."""
        place = f"host={self.address} port={self.port} dbname={database}"
        return f"{place} user=postgres password={PASSWORD}"

    def create_database(self, name: str) -> DatabaseSettings:
        """Create an empty database and return how the manager reaches it."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return DatabaseSettings(
            hosts=(NodeAddress(name="db-1", address=self.address),),
            username="postgres",
            password=PASSWORD,
            name=name,
            port=self.port,
            sslmode="disable",
        )


def make_server(
    address: str = "127.0.0.1", port: int | None = None, *, is_durable: bool = False
) -> PostgresServer:
    """Create a cluster of its own in a temporary directory and start it.

    A durable one is what benchmarks need: it writes as PostgreSQL's own settings have it.
    """
    home = Path(tempfile.mkdtemp(prefix="cfy-postgres-"))
    (home / "password").write_text(PASSWORD)
    unprivileged = _as_unprivileged()
    if user := unprivileged.get("user"):
        for path in (home, home / "password"):
            shutil.chown(path, user)
    subprocess.run(
        [
            _binary("initdb"),
            "--pgdata",
            str(home / "data"),
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={home / 'password'}",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ],
        check=True,
        capture_output=True,
        **unprivileged,
    )
    with (home / "data" / "postgresql.conf").open("a") as conf:
        conf.write(_CONF if is_durable else _CONF + _HASTY)
    _admit_loopback(home / "data" / "pg_hba.conf")
    server = PostgresServer(home, port or free_port(), address)
    server.start()
    return server


def _admit_loopback(hba: Path) -> None:
    with hba.open("a") as file:
        file.write("host all all 127.0.0.0/8 scram-sha-256\n")


def remove_server(server: PostgresServer) -> None:
    """Stop the server and delete its files."""
    server.stop()
    shutil.rmtree(server.home)


def free_port() -> int:
    """Return a TCP port that nobody uses on loopback just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _binary(name: str) -> str:
    """Return the path of a PostgreSQL program; Debian keeps them off the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not installed:
        raise RuntimeError(f"{name} is absent: apt install postgresql")
    return str(installed[-1])


def _as_unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    with suppress(KeyError):
        return {"user": pwd.getpwnam("postgres").pw_name, "extra_groups": []}
    return {"user": "nobody", "extra_groups": []}
