"""The REST service as it is deployed: gunicorn over manager.yaml, with the genuine client."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml

from tests.support.manager_app import ADMIN
from tests.support.postgres_server import free_port

pytestmark = pytest.mark.integration

# `python -m venv DIR && DIR/bin/pip install cloudify==7.0.5`; its pins are too old to share ours.
CFY = shutil.which("cfy", path=os.environ.get("CFY_BIN", "")) or shutil.which("cfy")


class Server:
    """gunicorn on loopback, configured by a manager.yaml of its own."""

    def __init__(self, folder: Path, postgres, certificate: Path) -> None:
        self.port = free_port()
        self.path = folder / "manager.yaml"
        self.path.write_text(yaml.safe_dump(self._document(postgres, certificate)))
        self.url = f"http://127.0.0.1:{self.port}/api/v3.1"
        self.environment = {**os.environ, "MANAGER_CONFIG": str(self.path)}

    def _document(self, postgres, certificate):
        name = f"server_{self.port}"
        postgres.create_database(name)
        brokers = [
            {"name": f"queue-{number}", "address": f"127.0.1.{number}"} for number in (1, 2, 3)
        ]
        return {
            "manager": {
                "hostname": "manager-1",
                "private_ip": "127.0.0.1",
                "public_ip": "127.0.0.1",
                "ca_path": str(certificate),
            },
            "database": {
                "hosts": [{"name": "db-1", "address": "127.0.0.1"}],
                "port": postgres.port,
                "name": name,
                "username": "postgres",
                "password": "loopback-only",
                "sslmode": "disable",
            },
            "rabbitmq": {
                "hosts": brokers,
                "username": "cloudify",
                "password": "none",
                "ca_path": str(certificate),
                "port": free_port(),
            },
            "security": {"hash_salt": "a", "secret_key": "b", "encryption_key": "c"},
            "rest": {"port": self.port},
            "file_sync": {"enabled": False},
        }

    def run(self, *words, stdin=""):
        """Run `python -m manager`."""
        return subprocess.run(
            [sys.executable, "-m", "manager", *words],
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self):
        """Start gunicorn."""
        return subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "python:manager.rest.gunicorn_conf"],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self):
        """Wait for the first answer and return its status."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return requests.get(f"{self.url}/version", auth=ADMIN, timeout=5).status_code
            except requests.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.05)


@pytest.fixture
def server(tmp_path, postgres, certificate):
    server = Server(tmp_path, postgres, certificate)
    done = server.run("bootstrap", stdin=json.dumps({"admin_password": ADMIN[1]}))
    assert done.returncode == 0, done.stderr
    return server


@pytest.fixture
def running(server):
    process = server.start()
    try:
        assert server.wait() == 200
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def cfy(running, tmp_path):
    """Return a function that runs the genuine client, which uses the running manager."""
    if CFY is None:
        pytest.skip("cfy 7.0.5 is not installed: see CFY_BIN")
    environment = {**os.environ, "HOME": str(tmp_path), "CFY_WORKDIR": str(tmp_path)}

    def run(*words):
        done = subprocess.run(
            [CFY, *words], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    login = ["-u", ADMIN[0], "-p", ADMIN[1], "-t", "default_tenant"]
    used = run("profiles", "use", "127.0.0.1", *login, "--rest-port", str(running.port))
    assert "Using manager 127.0.0.1" in used
    return run


def report(server, tokens, kind, address):
    body = {
        "reporting_freq": 5,
        "timestamp": time.strftime("%Y%m%d%H%M%S+0000", time.gmtime()),
        "report": {"status": "OK", "services": {"Service": {"status": "Active"}}},
        "node": {"name": "node", "private_ip": address},
    }
    reply = requests.put(
        f"{server.url}/cluster-status/{kind}/node-id",
        json=body,
        headers={"API-Authentication-Token": tokens[kind], "Tenant": "default_tenant"},
        timeout=5,
    )
    assert reply.status_code == 200, reply.text


def test_the_client_sees_every_service_of_the_cluster_ok(cfy, running):
    tokens = json.loads(running.run("tokens", "--json").stdout)
    for kind, address in [("manager", "127.0.0.1"), ("db", "127.0.0.1")]:
        report(running, tokens, kind, address)
    for number in (1, 2, 3):
        report(running, tokens, "broker", f"127.0.1.{number}")

    shown = json.loads(cfy("cluster", "status", "--json"))

    assert shown["status"] == "OK"
    assert {part["status"] for part in shown["services"].values()} == {"OK"}


def test_the_client_lists_nodes_tokens_and_settings(cfy):
    assert "manager-1" in cfy("cluster", "managers", "list")
    assert "queue-3" in cfy("cluster", "brokers", "list")
    assert "db-1" in cfy("cluster", "db-nodes", "list")
    assert "default_tenant" in cfy("tenants", "list")
    assert "ctok-" in cfy("tokens", "create")
    assert "Updated task_retries to 5" in cfy("config", "update", "task_retries=5")
    assert "activated" in cfy("maintenance-mode", "activate") + cfy("maintenance-mode", "status")


def test_the_client_is_told_which_service_is_down(cfy):
    shown = json.loads(cfy("status", "--json"))

    assert shown["status"] == "Fail"
    assert shown["services"]["PostgreSQL"]["status"] == "Active"
    assert shown["services"]["RabbitMQ"]["status"] == "Inactive"


def test_gunicorn_listens_on_loopback_only(running):
    shown = subprocess.run(["ss", "-Hltn"], check=True, capture_output=True, text=True).stdout

    ours = [line.split()[3] for line in shown.splitlines() if f":{running.port} " in line]
    assert ours == [f"127.0.0.1:{running.port}"]
