"""A bootstrapped manager on a private PostgreSQL: fixtures that conftest files import."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from manager.rest.app import create_app
from manager.rest.context import EXTENSION, Services
from manager.services.authentication import Authenticator
from manager.services.bootstrap import BootstrapSecrets, bootstrap, reporter_tokens
from manager.services.dispatch import connect_outlet
from manager.services.status import ManagerStatus
from manager.settings import (
    DatabaseSettings,
    FileSyncSettings,
    ManagerSettings,
    NodeAddress,
    RabbitmqSettings,
    SecuritySettings,
    Settings,
)
from manager.storage.database import Database
from manager.storage.schema import upgrade_schema
from tests.support.broker import RememberedPublisher
from tests.support.database_copy import DatabaseCopy
from tests.support.postgres_server import (
    PostgresServer,
    free_port,
    make_server,
    remove_server,
)

ADMIN = ("admin", "admin-password")
_TEMPLATE = "bootstrapped"


@dataclass
class Api:
    """A client of the REST service that is the administrator unless told otherwise."""

    client: FlaskClient
    settings: Settings
    auth: tuple[str, str] | None = ADMIN
    headers: dict[str, str] = field(default_factory=lambda: {"Tenant": "default_tenant"})

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request below /api/v3.1."""
        return self.client.open(
            f"/api/v3.1{path}", method=method, auth=self.auth, headers=self.headers, **options
        )

    def get(self, path: str, **options: Any) -> Any:
        """Return the body of a GET that succeeds."""
        reply = self.call("GET", path, **options)
        assert reply.status_code == 200, reply.text
        return reply.json

    def with_token(self, token: str, header: str = "Authentication-Token") -> "Api":
        """Return a client that presents a token."""
        return replace(self, auth=None, headers={**self.headers, header: token})

    def with_login(self, username: str, password: str) -> "Api":
        """Return a client of another user."""
        return replace(self, auth=(username, password))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a server for all tests of a worker."""
    server = make_server()
    try:
        yield server
    finally:
        remove_server(server)


@pytest.fixture
def empty_database(postgres: PostgresServer) -> DatabaseSettings:
    """Create a database without any table."""
    return postgres.create_database(f"db_{uuid.uuid4().hex}")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a file that stands for the CA certificate."""
    path = tmp_path_factory.mktemp("certificates") / "ca.crt"
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return path


def manager_settings(database: DatabaseSettings, certificate: Path) -> Settings:
    """Return the settings of the first of three managers beside three brokers."""
    return Settings(
        manager=ManagerSettings(
            hostname="manager-1",
            private_ip="10.0.0.31",
            public_ip="203.0.113.31",
            ca_path=certificate,
        ),
        database=database,
        rabbitmq=RabbitmqSettings(
            hosts=tuple(
                NodeAddress(name=f"queue-{number}", address=f"127.0.1.{number}")
                for number in (1, 2, 3)
            ),
            username="cloudify",
            password="broker-password",
            ca_path=certificate,
            port=free_port(),
        ),
        security=SecuritySettings(hash_salt="salt", secret_key="key", encryption_key="encryption"),
        file_sync=FileSyncSettings(enabled=False),
    )


@pytest.fixture(scope="session")
def bootstrapped(postgres: PostgresServer, certificate: Path) -> Settings:
    """Bootstrap a database that the others are copies of."""
    settings = manager_settings(postgres.create_database(_TEMPLATE), certificate)
    database = Database(settings.database)
    upgrade_schema(database.engine)
    with database.session() as session:
        bootstrap(session, settings, BootstrapSecrets(admin_password=ADMIN[1]))
    database.close()
    return settings


@dataclass(frozen=True, slots=True)
class Shared:
    """What the tests of a worker share: a database that each finds new, and who opens it."""

    settings: Settings
    copy: DatabaseCopy
    database: Database
    app: Flask


@pytest.fixture(scope="session")
def shared(bootstrapped: Settings, postgres: PostgresServer) -> Iterator[Shared]:
    """Open the shared database, for tests and for the REST API."""
    copy = DatabaseCopy(postgres, _TEMPLATE, "shared")
    settings = replace(bootstrapped, database=replace(bootstrapped.database, name=copy.name))
    database = Database(settings.database)
    app = create_app(settings, publisher=RememberedPublisher())
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield Shared(settings, copy, database, app)
    app.extensions[EXTENSION].database.close()
    database.close()
    copy.close()


@pytest.fixture
def settings(shared: Shared) -> Settings:
    """Return the settings of a manager that was bootstrapped just now."""
    shared.copy.reset()
    return shared.settings


@pytest.fixture
def database(settings: Settings, shared: Shared) -> Database:
    """Return the test's database; it has no broker until a test asks for one."""
    shared.database.outlet = None
    return shared.database


@pytest.fixture
def publisher(database: Database) -> RememberedPublisher:
    """Stand in for the brokers, of the REST API and of the test's own sessions."""
    publisher = RememberedPublisher()
    connect_outlet(database, publisher)
    return publisher


@pytest.fixture
def api(settings: Settings, publisher: RememberedPublisher, shared: Shared) -> Api:
    """Serve the REST API in the test's process; nothing but its connections outlives the test."""
    database = shared.app.extensions[EXTENSION].database
    connect_outlet(database, publisher)
    shared.app.extensions[EXTENSION] = Services(
        settings=settings,
        database=database,
        publisher=publisher,
        authenticator=Authenticator(database),
        status=ManagerStatus(settings, database),
    )
    return Api(shared.app.test_client(), settings)


@pytest.fixture
def tokens(database: Database, settings: Settings) -> dict[str, str]:
    """Return the reporters' tokens."""
    with database.session() as session:
        return reporter_tokens(session, settings)


def samples(path: Path) -> list[dict[str, Any]]:
    """Return the recorded exchanges in a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
