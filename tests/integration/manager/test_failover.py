"""The database's primary goes away and comes back elsewhere; the manager goes on by itself."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from manager.errors import Unavailable
from manager.rest.app import create_app
from manager.services.bootstrap import BootstrapSecrets, bootstrap, reporter_tokens
from manager.settings import NodeAddress
from manager.storage.database import Database, libpq_parameters
from manager.storage.schema import upgrade_schema
from tests.support.manager_app import ADMIN, Api, manager_settings
from tests.support.postgres_server import PostgresServer, make_server, remove_server

pytestmark = pytest.mark.integration

ADDRESSES = ("127.0.3.1", "127.0.3.2")


@pytest.fixture
def servers() -> Iterator[list[PostgresServer]]:
    """Run two servers with the same data in them; both begin as primaries."""
    first = make_server(ADDRESSES[0])
    second = make_server(ADDRESSES[1], first.port)
    try:
        yield [first, second]
    finally:
        for server in (first, second):
            remove_server(server)


@pytest.fixture
def cluster(servers, certificate):
    """Return the settings of a manager that knows both servers; the second is a standby."""
    for server in servers:
        settings = manager_settings(server.create_database("cloudify_db"), certificate)
        database = Database(settings.database)
        upgrade_schema(database.engine)
        with database.session() as session:
            bootstrap(session, settings, BootstrapSecrets(admin_password=ADMIN[1]))
        database.close()
    servers[1].stop()
    servers[1].start(is_primary=False)
    hosts = tuple(
        NodeAddress(name=f"db-{number}", address=address)
        for number, address in enumerate(reversed(ADDRESSES), 1)
    )
    return replace(settings, database=replace(settings.database, hosts=hosts))


@pytest.fixture
def client(cluster):
    app = create_app(cluster)
    yield Api(app.test_client(), cluster)
    app.extensions["manager"].database.close()


def test_the_manager_follows_the_primary(client, servers):
    assert client.get("/version")["edition"] == "community"

    servers[0].stop()
    reply = client.call("GET", "/version")
    assert reply.status_code == 503
    assert reply.json["error_code"] == "service_unavailable_error"
    assert reply.headers["Retry-After"] == "2"

    servers[1].stop()
    servers[1].start(is_primary=True)
    assert client.get("/version")["edition"] == "community"


def test_a_manager_without_a_database_still_says_that_it_is_alive(client, servers):
    """The load balancer's check is a request without credentials."""
    for server in servers:
        server.stop()

    client.auth = None

    assert client.call("GET", "/status").status_code == 401
    assert client.call("GET", "/ok").status_code == 500


def test_a_primary_that_became_a_standby_is_left(cluster, servers):
    database = Database(cluster.database)
    with database.session() as session:
        session.connection().exec_driver_sql("SET default_transaction_read_only = on")

    with pytest.raises(Unavailable), database.session() as session:
        session.connection().exec_driver_sql("CREATE TABLE written (id int)")

    with database.session() as session:
        session.connection().exec_driver_sql("CREATE TABLE written (id int)")
    database.close()


def test_new_connections_try_the_last_primary_first(cluster, servers):
    database = Database(cluster.database)
    tried = []
    connect = database.engine.dialect.connect

    def note(*args, **parameters):
        tried.append(parameters["host"].split(",")[0])
        return connect(*args, **parameters)

    database.engine.dialect.connect = note
    for _ in range(2):
        with database.engine.connect():
            pass
        database.close()

    assert tried == [ADDRESSES[1], ADDRESSES[0]]


def test_a_dead_database_is_told_in_seconds(cluster, servers):
    for server in servers:
        server.stop()
    started = time.monotonic()
    database = Database(cluster.database)

    with pytest.raises(Unavailable, match="not available"), database.session() as session:
        session.connection()

    assert time.monotonic() - started < 10


def test_connections_are_verified_and_die_with_their_host(cluster):
    parameters = libpq_parameters(replace(cluster.database, sslmode="verify-full"))

    assert parameters["host"] == "127.0.3.2,127.0.3.1"
    assert parameters["target_session_attrs"] == "read-write"
    assert parameters["sslmode"] == "verify-full"
    assert parameters["tcp_user_timeout"] <= 10_000


def test_a_report_does_not_wait_for_a_standby_that_is_gone(client, cluster, servers):
    """With strict synchronous replication every other commit waits for ever."""
    token = client.call("POST", "/tokens", json={}).json["value"]
    with closing(Database(cluster.database)) as database, database.session() as session:
        reporter = reporter_tokens(session, cluster)["db"]
    with psycopg.connect(servers[0].dsn("cloudify_db"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        connection.execute("SELECT pg_reload_conf()")
    report = {
        "reporting_freq": 5,
        "timestamp": time.strftime("%Y%m%d%H%M%S+0000", time.gmtime()),
        "report": {"status": "OK", "services": {}},
        "node": {"name": "db-1", "private_ip": "127.0.3.2"},
    }

    replies = []
    sender = client.with_token(reporter)
    thread = threading.Thread(
        target=lambda: replies.append(sender.call("PUT", "/cluster-status/db/id", json=report)),
        daemon=True,
    )
    thread.start()
    thread.join(20)

    assert [reply.status_code for reply in replies] == [200]
    assert client.with_token(token).get("/cluster-status")["services"]["db"]["status"] == "Fail"
