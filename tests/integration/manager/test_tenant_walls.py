"""Nobody reads what is not theirs, whichever GET they send with whatever parameters."""

import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manager.rest.app import create_app
from manager.services.passwords import hash_password
from manager.storage.database import Database
from manager.storage.models import Tenant, User, UserTenant
from tests.support.manager_app import Api
from tests.support.tenant_rows import fill_tenant

pytestmark = pytest.mark.integration

# ann owns all rows of red, bob works beside her, eve works in blue.
PEOPLE = (("ann", "red", "user"), ("bob", "red", "user"), ("eve", "blue", "user"))
VISIBILITIES = ("private", "tenant", "global")


class Silent:
    """A broker that takes everything."""

    def publish(self, *_arguments, **_options):
        return None


@pytest.fixture(scope="module")
def house(bootstrapped, postgres, tmp_path_factory):
    """Return clients of the people, and the ids of red's rows by visibility."""
    import uuid
    from dataclasses import replace

    import psycopg

    from manager.settings import PathSettings

    name = f"walls_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "bootstrapped"')
    own = replace(
        bootstrapped,
        database=replace(bootstrapped.database, name=name),
        paths=PathSettings(resources=tmp_path_factory.mktemp("resources")),
    )
    database = Database(own.database)
    with database.session() as session:
        ids = _fill(session)
    database.close()
    app = create_app(own, publisher=Silent())
    app.config["PROPAGATE_EXCEPTIONS"] = False
    clients = {
        person: Api(app.test_client(), own, (person, "password-1"), {"Tenant": tenant})
        for person, tenant, _ in PEOPLE
    }
    yield clients, ids
    app.extensions["manager"].database.close()


def _fill(session):
    tenants = {name: Tenant(name=name) for name in ("red", "blue")}
    people = {
        name: User(
            username=name,
            password_hash=hash_password("password-1"),
            role="default",
            tenants=[UserTenant(tenant=tenants[tenant], role=role)],
        )
        for name, tenant, role in PEOPLE
    }
    session.add_all([*tenants.values(), *people.values()])
    session.flush()
    return {
        visibility: fill_tenant(
            session,
            f"red{visibility}",
            tenant_id=tenants["red"].id,
            creator_id=people["ann"].id,
            visibility=visibility,
        )
        for visibility in VISIBILITIES
    }


def get_routes():
    from pathlib import Path

    from manager.rest.openapi import description
    from manager.settings import DatabaseSettings, NodeAddress
    from tests.support.manager_app import manager_settings

    nowhere = DatabaseSettings(
        hosts=(NodeAddress(name="x", address="127.0.0.1"),), username="x", password="x"
    )
    app = create_app(manager_settings(nowhere, Path("/nowhere")), publisher=Silent())
    with app.app_context():
        paths = description()["paths"]
    return sorted(path for path, methods in paths.items() if "get" in methods)


ROUTES = get_routes()
LISTS = [path for path in ROUTES if "{" not in path]
ITEMS = [path for path in ROUTES if "{" in path]

# The table whose ids a route's parameter takes.
TABLES = {
    "blueprint_id": "blueprints",
    "deployment_id": "deployments",
    "execution_id": "executions",
    "graph_id": "tasks_graphs",
    "instance_id": "node_instances",
    "modification_id": "deployment_modifications",
    "operation_id": "operations",
    "plugin_id": "plugins",
    "key": "secrets",
}
BY_ROUTE = {"/sites/{name}": "sites"}
OF_NO_TENANT = {
    "/config/{name}",
    "/permissions/{role}",
    "/tenants/{name}",
    "/tokens/{token_id}",
    "/user-groups/{name}",
    "/users/{username}",
}

FLAGS = (
    "_all_tenants",
    "_get_all_results",
    "_get_data",
    "_evaluate_functions",
    "_instance_counts",
    "_include_system_workflows",
    "all_sub_deployments",
    "_reserved",
)
TEXTS = st.sampled_from(
    ["", "red", "redprivate", "redtenant", "redprivate-deployments", "%", "ann", "blue"]
)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from(["true", "false"]) for name in FLAGS},
        **{name: TEXTS for name in ("_search", "_search_name", "tenant_name", "created_by", "id")},
        **{name: TEXTS for name in ("deployment_id", "blueprint_id", "execution_id", "node_id")},
        "visibility": st.sampled_from(VISIBILITIES),
        "_target_field": st.sampled_from(["deployment_id", "blueprint_id", "tenant_name"]),
        "_sort": st.sampled_from(["id", "-created_at", "key", "created_by"]),
        "_include": st.sampled_from(["id", "key", "tenant_name"]),
    },
)
BRIEFLY = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def words_in(reply):
    return set(re.findall("red(private|tenant|global)", reply.text))


def assert_hidden(clients, path, query):
    foreign = clients["eve"].call("GET", path, query_string=query)
    beside = clients["bob"].call("GET", path, query_string=query)
    for reply in (foreign, beside):
        assert reply.status_code < 500 or path == "/ok", reply.text
        # An error may repeat what was asked for.
        if reply.status_code == 200:
            allowed = {"global"} if reply is foreign else {"global", "tenant"}
            assert words_in(reply) <= allowed, (path, query, reply.text[:500])


@pytest.mark.parametrize("path", [*LISTS, "/labels/deployments", "/labels/blueprints"])
def test_lists_show_nothing_of_others(house, path):
    clients, _ = house

    @BRIEFLY
    @given(QUERIES)
    def ask(query):
        assert_hidden(clients, path, query)

    ask()


@pytest.mark.parametrize(
    "kind", ["deployments", "nodes", "node_instances", "executions", "blueprints"]
)
def test_summaries_count_nothing_of_others(house, kind):
    clients, _ = house

    @BRIEFLY
    @given(QUERIES)
    def ask(query):
        assert_hidden(clients, f"/summary/{kind}", query)

    ask()


def urls(path, ids):
    for name in re.findall("{([^}]+)}", path):
        table = BY_ROUTE.get(path) or TABLES.get(name)
        if table is None:
            return None
        path = path.replace("{" + name + "}", quote(ids[table]))
    return path


@pytest.mark.parametrize("path", ITEMS)
def test_items_of_others_are_not_found(house, path):
    clients, ids = house
    if path in OF_NO_TENANT or "{kind}" in path or "{node_type}" in path:
        pytest.skip("belongs to no tenant, or is tested with the lists")
    hidden = {"eve": ("private", "tenant"), "bob": ("private",)}
    for person, visibilities in hidden.items():
        for visibility in visibilities:
            url = urls(path, ids[visibility])
            assert url is not None, f"say which table {path} is about"

            reply = clients[person].call("GET", url)

            assert reply.status_code in (403, 404), (person, url, reply.text)


def test_the_owner_sees_it_all(house):
    """The words are there to be found: else the walls would hide nothing."""
    clients, ids = house
    seen = 0
    for path in LISTS:
        reply = clients["ann"].call("GET", path, query_string={"_include_system_workflows": "true"})
        seen += words_in(reply) >= set(VISIBILITIES)
    assert seen >= 12
    for path in ("/secrets/{key}", "/blueprints/{blueprint_id}", "/plugins/{plugin_id}"):
        for visibility in VISIBILITIES:
            assert clients["ann"].call("GET", urls(path, ids[visibility])).status_code == 200


def test_another_tenants_header_opens_nothing(house):
    clients, _ = house
    intruder = clients["eve"].with_login(*clients["eve"].auth)
    intruder.headers = {"Tenant": "red"}

    for path in LISTS:
        if path != "/ok":
            assert intruder.call("GET", path).status_code == 403, path


def test_every_tenant_owns_what_is_told(house):
    clients, _ = house

    names = {tenant["name"] for tenant in clients["eve"].get("/tenants")["items"]}

    assert names == {"blue"}
