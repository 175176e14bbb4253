"""Two managers on loopback that share a database but no file tree: replication never comes."""

import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml

from installer.pki.authority import KeyPair as Authority
from installer.pki.authority import LeafRequest, create_authority, issue_leaf
from installer.roles.manager.model import KeyPair
from manager.settings import Settings
from tests.support.manager_app import ADMIN
from tests.support.postgres_server import PostgresServer, free_port
from tests.support.processes import Program
from tests.support.web_server import CLIENT_PORT, WebServerOnLoopback

ROOT = Path(__file__).parents[2]


@dataclass
class FileServer:
    """A manager's nginx and REST service with a tree of their own."""

    name: str
    home: Path
    authority: Authority
    settings: Settings
    address: str = field(init=False)

    def __post_init__(self) -> None:
        chance = random.SystemRandom()
        self.address = f"127.{chance.randint(64, 254)}.{chance.randint(1, 254)}.1"
        self.resources.mkdir(parents=True)
        (self.home / "ca.crt").write_bytes(self.authority.certificate)
        rest_port = free_port()
        config = self.home / "manager.yaml"
        config.write_text(yaml.safe_dump(self._document(rest_port)))
        leaf = issue_leaf(
            self.authority,
            LeafRequest(common_name=self.name, dns_names=(self.name,), addresses=(self.address,)),
        )
        pair = KeyPair(certificate=leaf.certificate, key=leaf.key)
        self.web = WebServerOnLoopback(
            self.home / "nginx",
            self.address,
            pair,
            rest_port,
            self.home,
            name=self.name,
            ca=self.authority.certificate,
        )
        self.rest = Program(
            "rest",
            [sys.executable, "-m", "gunicorn", "-c", "python:manager.rest.gunicorn_conf"],
            self.home / "rest.log",
            {"MANAGER_CONFIG": str(config), "PYTHONPATH": str(ROOT)},
        )
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.auth = ADMIN
        self.http.verify = str(self.home / "ca.crt")
        self.http.headers["Tenant"] = "default_tenant"

    @property
    def resources(self) -> Path:
        return self.home / "resources"

    @property
    def url(self) -> str:
        return f"https://{self.address}:{CLIENT_PORT}"

    def begin(self) -> None:
        self.rest.start()
        self.web.begin()

    def wait(self) -> None:
        self.rest.wait_until(self._answers)

    def stop(self) -> None:
        self.web.program.stop()
        self.rest.stop()

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.http.request(method, self.url + path, timeout=60, **options)

    def write(self, path: str, content: bytes) -> None:
        """Put a file into the tree without telling anybody."""
        target = self.resources / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def _answers(self) -> bool:
        try:
            return self.call("GET", "/api/v3.1/version").ok
        except requests.exceptions.SSLError:
            raise
        except requests.ConnectionError:
            return False

    def _document(self, rest_port: int) -> dict[str, Any]:
        database = self.settings.database
        ca = str(self.home / "ca.crt")
        return {
            "manager": {
                "hostname": self.name,
                "private_ip": self.address,
                "public_ip": self.address,
                "ca_path": ca,
            },
            "database": {
                "hosts": [{"name": host.name, "address": host.address} for host in database.hosts],
                "port": database.port,
                "name": database.name,
                "username": database.username,
                "password": database.password,
                "sslmode": database.sslmode,
            },
            "rabbitmq": {
                "hosts": [{"name": "none", "address": "127.0.0.1"}],
                "username": "none",
                "password": "none",
                "ca_path": ca,
                "port": free_port(),
            },
            "security": {"hash_salt": "salt", "secret_key": "key", "encryption_key": "encryption"},
            "rest": {"port": rest_port, "workers": 1},
            "file_sync": {"enabled": False},
            "paths": {"resources": str(self.resources)},
        }


@contextmanager
def two_file_servers(
    folder: Path, settings: Settings, postgres: PostgresServer
) -> Iterator[tuple[FileServer, FileServer]]:
    """Run two managers over one database; both are registered there."""
    authority = create_authority("Loopback CA")
    first, second = (
        FileServer(f"manager-{number}", folder / str(number), authority, settings)
        for number in (1, 2)
    )
    with psycopg.connect(postgres.dsn(settings.database.name)) as connection:
        connection.execute("DELETE FROM managers")
        for server in (first, second):
            connection.execute(
                "INSERT INTO managers (hostname, private_ip, public_ip, version, edition,"
                " distribution, distro_release, networks)"
                " VALUES (%s, %s, %s, '7.0.5', 'community', 'debian', '13', '{}')",
                (server.name, server.address, server.address),
            )
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        for server in (first, second):
            undo.callback(server.stop)
            server.begin()
        for server in (first, second):
            server.wait()
        yield first, second
