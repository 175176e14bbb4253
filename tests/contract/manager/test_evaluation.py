"""Outputs, capabilities and functions in payloads, evaluated against stored deployments."""

import pytest
from sqlalchemy import insert, select

from manager.services.encryption import Sealer
from manager.services.passwords import hash_password
from manager.storage.models import Secret, Tenant, User, UserTenant
from tests.support.deployments import add_blueprint, make_deployment, node, relationship

pytestmark = pytest.mark.integration


@pytest.fixture
def deployed(api, database):
    add_blueprint(database)
    web = node("web", relationships=[relationship("db")], properties={"ip": "127.0.0.1"})
    make_deployment(
        api,
        database,
        nodes=[web, node("db", properties={"size": 3, "tags": ["a", "b"]})],
        labels=[{"team": "blue"}, {"team": "azure"}],
        display_name="My site",
    )
    return api


def evaluate(api, value, deployment_id="d1", **context):
    body = {"deployment_id": deployment_id, "context": context, "payload": {"value": value}}
    return api.call("POST", "/evaluate/functions", json=body)


def value_of(api, value, **context):
    reply = evaluate(api, value, **context)
    assert reply.status_code == 200, reply.text
    assert reply.json["deployment_id"] == "d1"
    return reply.json["payload"]["value"]


def set_runtime(api, instance_id, properties):
    body = {"version": 1, "runtime_properties": properties}
    assert api.call("PATCH", f"/node-instances/{instance_id}", json=body).status_code == 200


def test_outputs_and_capabilities_follow_runtime_properties(deployed):
    assert deployed.get("/deployments/d1/outputs") == {
        "deployment_id": "d1",
        "outputs": {"endpoint": "http://127.0.0.1"},
    }

    set_runtime(deployed, "web_d1_1", {"ip": "10.1.1.1"})

    assert deployed.get("/deployments/d1/outputs")["outputs"] == {"endpoint": "http://10.1.1.1"}
    assert deployed.get("/deployments/d1/capabilities")["capabilities"] == {"ip": "10.1.1.1"}
    assert deployed.get("/deployments/d1?_include=outputs")["outputs"]["endpoint"]["value"] == {
        "concat": ["http://", {"get_attribute": ["web", "ip"]}]
    }


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ({"get_input": "port"}, 8080),
        ({"get_property": ["db", "size"]}, 3),
        ({"get_property": ["db", "tags", 1]}, "b"),
        ({"get_attribute": ["db", "size"]}, 3),
        ({"get_attribute": ["db", "node_instance_id"]}, "db_d1_1"),
        ({"get_attributes_list": ["db", "size"]}, [3]),
        ({"get_attributes_dict": ["db", "size"]}, {"db_d1_1": {"size": 3}}),
        ({"get_sys": ["tenant", "name"]}, "default_tenant"),
        ({"get_sys": ["deployment", "id"]}, "d1"),
        ({"get_sys": ["deployment", "name"]}, "My site"),
        ({"get_sys": ["deployment", "blueprint"]}, "bp"),
        ({"get_sys": ["deployment", "owner"]}, "admin"),
        ({"get_label": "team"}, ["azure", "blue"]),
        ({"get_label": ["team", 1]}, "blue"),
        ({"get_consumers": "count"}, 0),
        ({"get_capability": ["d1", "ip"]}, "127.0.0.1"),
        ({"concat": ["a", {"get_input": "zone"}]}, "anorth"),
        ({"merge": [{"a": 1}, {"b": {"get_input": "port"}}]}, {"a": 1, "b": 8080}),
        ({"string_upper": {"get_input": "zone"}}, "NORTH"),
        ({"string_split": ["a,b", ","]}, ["a", "b"]),
        ({"no_function": 1}, {"no_function": 1}),
    ],
)
def test_a_function_is_evaluated(deployed, function, expected):
    assert value_of(deployed, function) == expected


def test_self_source_and_target_are_the_contexts_instances(deployed):
    set_runtime(deployed, "web_d1_1", {"name": "w"})
    set_runtime(deployed, "db_d1_1", {"name": "d"})

    assert value_of(deployed, {"get_attribute": ["SELF", "name"]}, self="web_d1_1") == "w"
    ends = {"source": "web_d1_1", "target": "db_d1_1"}
    both = {"s": {"get_attribute": ["SOURCE", "name"]}, "t": {"get_attribute": ["TARGET", "name"]}}
    assert value_of(deployed, both, **ends) == {"s": "w", "t": "d"}


@pytest.mark.parametrize(
    ("function", "status", "code"),
    [
        ({"get_input": "nothing"}, 400, "functions_evaluation_error"),
        ({"get_attribute": ["SELF", "x"]}, 400, "functions_evaluation_error"),
        ({"get_attribute": 5}, 400, "functions_evaluation_error"),
        ({"get_property": ["db", "nothing"]}, 400, "functions_evaluation_error"),
        ({"get_property": ["nothing", "x"]}, 404, "not_found_error"),
        ({"get_sys": ["deployment", "age"]}, 400, "functions_evaluation_error"),
        ({"get_sys": [["a", "b"], "c"]}, 400, "functions_evaluation_error"),
        ({"get_label": "nothing"}, 400, "functions_evaluation_error"),
        ({"get_label": ["team", 7]}, 400, "functions_evaluation_error"),
        ({"get_capability": ["d1", "nothing"]}, 400, "functions_evaluation_error"),
        ({"get_capability": ["nothing", "x"]}, 404, "not_found_error"),
        ({"get_environment_capability": "x"}, 400, "functions_evaluation_error"),
        ({"get_group_capability": ["g", "x"]}, 404, "not_found_error"),
        ({"get_secret": "nothing"}, 404, "not_found_error"),
        ({"string_lower": 5}, 400, "functions_evaluation_error"),
    ],
)
def test_a_function_that_cannot_be_evaluated_is_the_callers_error(deployed, function, status, code):
    reply = evaluate(deployed, function)

    assert (reply.status_code, reply.json["error_code"]) == (status, code), reply.text


def test_endless_evaluation_ends_and_harms_nothing_after_it(deployed):
    """dsl_parser never takes back what it counts of a refused call."""
    loop = {"capabilities": {"a": {"value": {"get_capability": ["loop", "a"]}}}}
    body = {"blueprint_id": "bp", "skip_plugins_validation": True}
    deployed.call("PUT", "/deployments/loop?async_create=true", json=body)
    deployed.call("PATCH", "/deployments/loop", json=loop)

    for _ in range(60):
        reply = deployed.call("GET", "/deployments/loop/capabilities")
        assert reply.status_code == 400

    assert value_of(deployed, {"concat": [{"get_input": "zone"}, "!"]}) == "north!"


def test_a_child_reads_capabilities_of_its_environment(deployed, database):
    make_deployment(deployed, database, "child", labels=[{"csys-obj-parent": "d1"}])
    body = {"deployment_id": "child", "context": {}}
    payload = {"v": {"get_environment_capability": "ip"}}

    reply = deployed.call("POST", "/evaluate/functions", json={**body, "payload": payload})

    assert reply.json["payload"] == {"v": "127.0.0.1"}


@pytest.fixture
def ann(api, database):
    """Return a client of a plain user of the default tenant."""
    with database.session() as session:
        tenant_id = session.scalar(select(Tenant.id).where(Tenant.name == "default_tenant"))
        values = {"username": "ann", "password_hash": hash_password("secret"), "role": "default"}
        user_id = session.scalar(insert(User).values(**values).returning(User.id))
        session.execute(
            insert(UserTenant).values(user_id=user_id, tenant_id=tenant_id, role="user")
        )
    return api.with_login("ann", "secret")


def add_secret(database, settings, key, value, visibility="tenant"):
    sealer = Sealer(settings.security.encryption_key)
    with database.session() as session:
        tenant_id = session.scalar(select(Tenant.id).where(Tenant.name == "default_tenant"))
        creator_id = session.scalar(select(User.id).where(User.username == "admin"))
        session.add(
            Secret(
                id=key,
                tenant_id=tenant_id,
                creator_id=creator_id,
                visibility=visibility,
                value=sealer.seal(value),
            )
        )


def test_secrets_are_read_as_the_caller_may(deployed, database, settings, ann):
    add_secret(database, settings, "open", '{"a": [1, 2]}')
    add_secret(database, settings, "hidden", "x", visibility="private")

    assert value_of(deployed, {"get_secret": "hidden"}) == "x"
    assert value_of(ann, {"get_secret": ["open", "a", 1]}) == 2
    assert evaluate(ann, {"get_secret": "hidden"}).status_code == 404


def test_an_output_of_a_secret_that_is_gone_is_left_out(deployed, database):
    outputs = {"a": {"value": {"get_secret": "gone"}}, "b": {"value": 1}}
    make_deployment(deployed, database, "d2", outputs=outputs)

    assert deployed.get("/deployments/d2/outputs")["outputs"] == {"b": 1}


def test_private_deployments_and_other_tenants_stay_unseen(deployed, database, ann):
    with database.session() as session:
        session.add(Tenant(name="blue"))
    add_blueprint(database, "hidden", visibility="private")
    body = {"blueprint_id": "hidden", "visibility": "private", "skip_plugins_validation": True}
    deployed.call("PUT", "/deployments/secret?async_create=true", json=body)
    deployed.call(
        "PATCH", "/deployments/secret", json={"capabilities": {"c": {"value": "classified"}}}
    )
    blue = deployed.with_login(*deployed.auth)
    blue.headers = {"Tenant": "blue"}

    assert value_of(deployed, {"get_capability": ["secret", "c"]}) == "classified"
    assert evaluate(ann, {"get_capability": ["secret", "c"]}).status_code == 404
    assert ann.call("GET", "/deployments/secret").status_code == 404
    assert [d["id"] for d in ann.get("/deployments")["items"]] == ["d1"]
    assert ann.call("GET", "/deployments/secret/capabilities").status_code == 404
    assert evaluate(blue, 1).status_code == 404
    assert blue.get("/nodes")["items"] == blue.get("/node-instances")["items"] == []
    patch = {"version": 1, "state": "started"}
    assert blue.call("PATCH", "/node-instances/web_d1_1", json=patch).status_code == 404
    assert blue.call("DELETE", "/deployments/d1").status_code == 404
