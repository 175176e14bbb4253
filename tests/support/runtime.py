"""A whole manager on loopback: database, broker, web server, REST service and worker.

By hand: `python -m tests.support.runtime` starts one, tells how to reach it, and ends at ctrl-C.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from installer.pki.authority import LeafRequest, create_authority, issue_leaf
from installer.roles.manager.model import KeyPair
from tests.support.cfy_client import ROOT, Cfy, Login
from tests.support.postgres_server import PASSWORD as DATABASE_PASSWORD
from tests.support.postgres_server import PostgresServer, free_port, make_server, remove_server
from tests.support.processes import Program, Weight, weight_of
from tests.support.rabbitmq_server import MANAGEMENT_PORT, PASSWORD, PORT, USERNAME, RabbitmqServer
from tests.support.web_server import CLIENT_PORT, INTERNAL_PORT, WebServerOnLoopback

ADMIN, ADMIN_PASSWORD = "admin", "admin-password"
DATABASE = "cloudify_db"
WORKFLOW_QUEUE = "cloudify.management_workflow"


@dataclass
class Runtime:
    """A manager with its services; every process and file is its own."""

    home: Path
    address: str
    database: PostgresServer
    cpus: int = 2
    rest_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.ca = self._write_certificates()
        self.config = self.home / "manager.yaml"
        self.config.write_text(yaml.safe_dump(self._document(), sort_keys=False))
        self.resources.mkdir(parents=True)
        tls = self.home / "tls"
        pair = KeyPair(
            certificate=(tls / "node.crt").read_bytes(), key=(tls / "node.key").read_bytes()
        )
        self.broker = RabbitmqServer(self.home / "rabbitmq", self.address, tls)
        self.web = WebServerOnLoopback(
            self.home / "nginx", self.address, pair, self.rest_port, self.home
        )
        gunicorn = ["-m", "gunicorn", "-c", "python:manager.rest.gunicorn_conf"]
        self.rest = self._python("rest", *gunicorn)
        self.worker = self._python("worker", "-m", "manager", "worker")

    @property
    def resources(self) -> Path:
        return self.home / "resources"

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what tells the runtime's programs where their configuration is."""
        names = {"MANAGER_CONFIG": str(self.config), "PYTHONPATH": str(ROOT)}
        return {**names, "HOME": str(self.home)}

    @property
    def url(self) -> str:
        """Return the API behind nginx, as clients reach it."""
        return f"https://{self.address}:{CLIENT_PORT}/api/v3.1"

    @property
    def direct_url(self) -> str:
        """Return the API of gunicorn itself."""
        return f"http://127.0.0.1:{self.rest_port}/api/v3.1"

    @property
    def login(self) -> Login:
        return Login(self.address, CLIENT_PORT, self.ca, ADMIN, ADMIN_PASSWORD)

    def cfy(self) -> Cfy:
        """Return the genuine client, logged in."""
        return Cfy(self.home / "cfy", self.login).log_in()

    @cached_property
    def session(self) -> requests.Session:
        """Return an HTTP client that is the administrator."""
        session = requests.Session()
        session.trust_env = False  # a proxy or CA of the machine is not meant
        session.auth = (ADMIN, ADMIN_PASSWORD)
        session.verify = str(self.ca)
        session.headers["Tenant"] = "default_tenant"
        return session

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the body of a request that must succeed."""
        reply = self.session.request(method, self.url + path, timeout=60, **options)
        assert reply.ok, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    @cached_property
    def has_worker(self) -> bool:
        """Tell whether this checkout has a worker."""
        return (ROOT / "manager" / "worker").is_dir()

    @property
    def programs(self) -> tuple[Program, ...]:
        return (self.rest, self.worker, self.web.program, self.broker.broker)

    def manage(self, *words: str, stdin: str = "") -> str:
        """Run `python -m manager` and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "manager", *words],
            input=stdin,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Start everything and wait until work can be given to it."""
        self.broker.begin()
        self.web.begin()
        self.manage("bootstrap", stdin=json.dumps({"admin_password": ADMIN_PASSWORD}))
        self.broker.wait()
        self.start_rest()
        if self.has_worker:
            self.start_worker()

    def start_rest(self) -> float:
        """Start the REST service and return after how long nginx passed on its first answer."""
        self.rest.start()
        return self.rest.wait_until(self._answers)

    def start_worker(self) -> float:
        """Start the worker and return after how long it consumed its queue."""
        self.worker.start()
        return self.worker.wait_until(
            lambda: self.broker.consumers(WORKFLOW_QUEUE) > 0, interval_s=0.1
        )

    def stop(self) -> None:
        """Stop everything, first what gives work."""
        for program in (self.web.program, self.worker, self.rest):
            program.stop()
        self.broker.stop()

    def weights(self) -> dict[str, Weight]:
        """Return what each part uses now."""
        running = {p.name: p.weight() for p in self.programs if p.process is not None}
        assert self.database.process is not None
        return {**running, "postgresql": weight_of(self.database.process.pid)}

    def logs(self) -> str:
        """Return the last words of every part."""
        return "\n".join(f"--- {p.name}\n{p.last_words(12)}" for p in reversed(self.programs))

    def _answers(self) -> bool:
        try:
            return self.session.get(f"{self.url}/version", timeout=5).status_code == 200
        except requests.exceptions.SSLError:
            raise
        except requests.ConnectionError:
            return False

    def _python(self, name: str, *words: str) -> Program:
        return Program(
            name, [sys.executable, *words], self.home / f"{name}.log", dict(self.environment)
        )

    def _write_certificates(self) -> Path:
        folder = self.home / "tls"
        folder.mkdir()
        authority = create_authority("Loopback CA")
        names = ("localhost", "manager-1")
        request = LeafRequest(
            common_name="manager-1", dns_names=names, addresses=(self.address, "127.0.0.1")
        )
        leaf = issue_leaf(authority, request)
        (folder / "ca.crt").write_bytes(authority.certificate)
        (folder / "node.crt").write_bytes(leaf.certificate)
        (folder / "node.key").write_bytes(leaf.key)
        return folder / "ca.crt"

    def _document(self) -> dict[str, Any]:
        manager = {"hostname": "manager-1", "ca_path": str(self.ca)}
        return {
            "manager": {**manager, "private_ip": self.address, "public_ip": self.address},
            "database": {
                "hosts": [{"name": "db-1", "address": self.database.address}],
                "port": self.database.port,
                "name": DATABASE,
                "username": "postgres",
                "password": DATABASE_PASSWORD,
                "sslmode": "disable",
            },
            "rabbitmq": {
                "hosts": [{"name": "queue-1", "address": self.address}],
                "username": USERNAME,
                "password": PASSWORD,
                "ca_path": str(self.ca),
                "port": PORT,
                "management_port": MANAGEMENT_PORT,
            },
            "security": {"hash_salt": "a", "secret_key": "b", "encryption_key": "c"},
            "rest": {"port": self.rest_port, "workers": self.cpus},
            "file_sync": {"enabled": False},
            "paths": {"resources": str(self.resources)},
            "worker": {"home": str(self.home / "work")},
        }


@contextmanager
def runtime_on_loopback(*, is_durable: bool = False) -> Iterator[Runtime]:
    """Run a manager; its processes and files are gone afterwards."""
    with ExitStack() as undo:
        home = Path(tempfile.mkdtemp(prefix="cfy-runtime-"))
        undo.callback(shutil.rmtree, home, ignore_errors=False)
        database = make_server(is_durable=is_durable)
        undo.callback(remove_server, database)
        database.create_database(DATABASE)
        runtime = Runtime(home, _loopback_address(), database)
        undo.callback(runtime.stop)
        try:
            runtime.start()
        except BaseException as error:
            error.add_note(runtime.logs())
            raise
        yield runtime


@pytest.fixture(scope="session")
def runtime() -> Iterator[Runtime]:
    """Run one manager for all tests of a process."""
    with runtime_on_loopback() as running:
        yield running


def _loopback_address() -> str:
    """Return an address of this machine alone that no other runtime is likely to use.

    Ports that the original's code has fixed are free on it.
    """
    chance = random.SystemRandom()
    return f"127.{chance.randint(64, 254)}.{chance.randint(1, 254)}.{chance.randint(1, 254)}"


def main() -> None:
    """Run a manager until a signal comes."""
    with runtime_on_loopback() as runtime:
        client = runtime.cfy()
        sys.stdout.write(
            f"""\
REST      {runtime.url}  (gunicorn: {runtime.direct_url})
internal  https://{runtime.address}:{INTERNAL_PORT}
login     {ADMIN} / {ADMIN_PASSWORD}, tenant default_tenant, CA {runtime.ca}
broker    {USERNAME} / {PASSWORD} at {runtime.address}:{PORT}
database  {runtime.database.dsn(DATABASE)}
files     {runtime.home} (manager.yaml, logs, resources)
worker    {"runs" if runtime.has_worker else "this checkout has none"}
client    HOME={client.folder} CFY_WORKDIR={client.folder} {ROOT / "script" / "cfy"} status
ctrl-C ends it and removes its files.
"""
        )
        sys.stdout.flush()
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


if __name__ == "__main__":
    main()
