"""One PostgreSQL server for all integration tests of a worker; a database for each that asks."""

import uuid
from collections.abc import Iterator

import pytest

from manager.settings import DatabaseSettings
from tests.integration.manager.postgres_server import PostgresServer, make_server, remove_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = make_server()
    try:
        yield server
    finally:
        remove_server(server)


@pytest.fixture
def database_settings(postgres: PostgresServer) -> DatabaseSettings:
    return postgres.create_database(f"db_{uuid.uuid4().hex}")
