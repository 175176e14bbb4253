"""Whatever a client sends, the service answers: no 500, no traceback, no statement of ours."""

import json
import re
import uuid
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manager.rest import blueprint_wait, deployments
from manager.rest.app import create_app
from manager.rest.openapi import description
from manager.settings import DatabaseSettings, NodeAddress, PathSettings
from manager.storage.database import Database
from manager.storage.models import Tenant, User
from tests.support.manager_app import Api, manager_settings
from tests.support.tenant_rows import fill_tenant

pytestmark = pytest.mark.integration

BRIEFLY = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# These say by contract that something else is down.
_STEP = 5  # each parameter gets every fifth text, another fifth than its neighbour
OURS = ("Traceback", "psycopg", "sqlalchemy", "SELECT ", "site-packages")
MAY_FAIL = {"/ok", "/cluster-status"}


class Silent:
    """A broker that takes everything."""

    def publish(self, *_arguments, **_options):
        return None


def described():
    nowhere = DatabaseSettings(
        hosts=(NodeAddress(name="x", address="127.0.0.1"),), username="x", password="x"
    )
    app = create_app(manager_settings(nowhere, Path("/nowhere")), publisher=Silent())
    with app.app_context():
        return description()


DESCRIPTION = described()
OPERATIONS = [
    found.ok() for found in schemathesis.openapi.from_dict(DESCRIPTION).get_all_operations()
]
LISTS = [
    (path, [p["name"] for p in methods["get"]["parameters"] if p["in"] == "query"])
    for path, methods in DESCRIPTION["paths"].items()
    if "get" in methods and "{" not in path
]
INJECTIONS = (
    "'",
    "' OR '1'='1",
    "1; DROP TABLE users; --",
    "') UNION SELECT password_hash FROM users --",
    '"; SELECT pg_sleep(9); --',
    "{{1337*1337}}",
    "${1337*1337}",
    "{% raw %}",
    "%(x)s",
    ":tenant",
    "%",
    "\\",
    "\x00",
    "\u202e\ud7ff",
    "a" * 5000,
    "-1",
    "1e999",
    "NaN",
    "[]",
    "{}",
    "null",
    "../../etc/passwd",
)


@pytest.fixture(scope="module")
def server(bootstrapped, postgres, tmp_path_factory):
    """Serve a database with a row of everything, to an administrator with a token."""
    name = f"fuzz_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "bootstrapped"')
    own = replace(
        bootstrapped,
        database=replace(bootstrapped.database, name=name),
        paths=PathSettings(resources=tmp_path_factory.mktemp("resources")),
    )
    database = Database(own.database)
    with database.session() as session:
        tenant = session.query(Tenant).one()
        admin = session.query(User).filter(User.is_bootstrap_admin).one()
        fill_tenant(session, "row", tenant_id=tenant.id, creator_id=admin.id, visibility="tenant")
    app = create_app(own, publisher=Silent())
    with pytest.MonkeyPatch.context() as patch:  # there is no worker to wait for
        patch.setattr(blueprint_wait, "_TIMEOUT_S", 0)
        patch.setattr(deployments, "_CREATION_TIMEOUT_S", 0)
        yield from _serve(app, own)
    database.close()


def _serve(app, own):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    api = Api(app.test_client(), own)
    # The password may be changed on the way; the token stays.
    yield api.with_token(api.call("POST", "/tokens", json={}).json["value"])
    app.extensions["manager"].database.close()


def as_json(body):
    return {"data": json.dumps(body), "content_type": "application/json"}


def assert_answered(reply, path):
    assert reply.status_code < 500 or path in MAY_FAIL, reply.text
    assert not [word for word in OURS if word in reply.text], reply.text
    reply.close()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_no_request_of_the_described_kind_breaks_the_service(server, operation):
    @BRIEFLY
    @given(operation.as_strategy())
    def send(case):
        body = case.body
        sent = {} if isinstance(body, schemathesis.core.NotSet) else as_json(body)
        path = case.formatted_path
        reply = server.call(operation.method, path, query_string=case.query or {}, **sent)
        assert_answered(reply, operation.path)

    send()
    server.call("POST", "/maintenance/deactivate")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("row-deployments"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
CHANGES = [
    operation for operation in OPERATIONS if operation.method in ("put", "post", "patch", "delete")
]


@pytest.mark.parametrize("operation", CHANGES, ids=lambda o: f"{o.method} {o.path}")
def test_no_body_of_any_kind_breaks_the_service(server, operation):
    """Fields of the wrong type under their right names, at the names of rows that exist."""
    content = (operation.definition.raw.get("requestBody") or {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    names = list(schema.get("properties", {}))
    bodies = st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON)) | JSON
    path = re.sub(r"{(\w+)}", lambda match: _existing(match[1]), operation.path)

    @BRIEFLY
    @given(bodies)
    def send(body):
        assert_answered(server.call(operation.method, path, **as_json(body)), operation.path)

    send()
    server.call("POST", "/maintenance/deactivate")


def _existing(parameter):
    tables = {
        "blueprint_id": "blueprints",
        "deployment_id": "deployments",
        "execution_id": "executions",
        "instance_id": "node_instances",
        "key": "secrets",
        "node_id": "nodes",
        "operation_id": "operations",
        "plugin_id": "plugins",
        "graph_id": "tasks_graphs",
        "modification_id": "deployment_modifications",
        "username": "bob",
    }
    return f"row-{tables.get(parameter, parameter)}"


@pytest.mark.parametrize(("path", "names"), LISTS, ids=lambda value: value if "/" in value else "")
def test_no_parameter_of_a_list_injects_anything(server, path, names):
    total = _total(server.call("GET", path))
    asked = [*sorted({*names, "_sort", "_include", "_search", "_search_name", "nonsense"})]
    for number, name in enumerate(asked):
        for text in INJECTIONS[number % _STEP :: _STEP]:
            reply = server.call("GET", path, query_string={name: text})

            assert reply.status_code < 500 or path in MAY_FAIL, (name, text, reply.text)
            shown = reply.text.replace(text, "")
            assert not [word for word in (*OURS, "1787569") if word in shown], (name, text, shown)
            assert _total(reply) <= total, (name, text)

    assert server.get("/user")["username"] == "admin"


def _total(reply):
    document = reply.json if reply.is_json and reply.status_code == 200 else None
    if not isinstance(document, dict) or "pagination" not in document.get("metadata", {}):
        return 0
    return document["metadata"]["pagination"]["total"]
