"""Nodes and node instances: bulk creation, optimistic versions, evaluation."""

import threading

import pytest

from tests.support.deployments import add_blueprint, make_deployment, node, relationship

pytestmark = pytest.mark.integration

_NODE_FIELDS = """id visibility deploy_number_of_instances host_id max_number_of_instances
    min_number_of_instances number_of_instances planned_number_of_instances plugins_p plugins
    plugins_to_install_p plugins_to_install properties_p properties relationships_p relationships
    operations_p operations type type_hierarchy_p type_hierarchy drifted_instances
    unavailable_instances actual_number_of_instances deployment_id blueprint_id
    deployment_display_name tenant_name created_by resource_availability private_resource
    actual_planned_number_of_instances"""
NODE_KEYS = set(_NODE_FIELDS.split())
_INSTANCE_FIELDS = """id visibility host_id index relationships_p relationships runtime_properties_p
    runtime_properties system_properties scaling_groups_p scaling_groups state version
    has_configuration_drift is_status_check_ok node_id deployment_id tenant_name created_by
    resource_availability private_resource"""
INSTANCE_KEYS = set(_INSTANCE_FIELDS.split())


@pytest.fixture
def deployed(api, database):
    """A web server connected to a database, one instance of each."""
    add_blueprint(database)
    web = node(
        "web",
        relationships=[relationship("db")],
        properties={"port": {"get_input": "port"}, "url": {"get_attribute": ["SELF", "url"]}},
    )
    make_deployment(api, database, nodes=[web, node("db", properties={"size": 3})])
    return api


def patch(api, instance_id="web_d1_1", query="", **body):
    return api.call("PATCH", f"/node-instances/{instance_id}{query}", json=body)


def test_replies_have_the_fields_of_the_original(deployed):
    (web,) = deployed.get("/nodes?deployment_id=d1&id=web")["items"]
    (instance,) = deployed.get("/node-instances?node_id=web")["items"]

    assert web.keys() == NODE_KEYS
    assert instance.keys() == INSTANCE_KEYS
    assert deployed.get("/node-instances/web_d1_1") == instance
    assert (web["type"], web["number_of_instances"]) == ("cloudify.nodes.WebServer", 1)
    assert (instance["state"], instance["version"], instance["index"]) == ("uninitialized", 1, 1)
    assert instance["relationships"][0]["target_id"] == "db_d1_1"
    assert web["actual_number_of_instances"] == web["unavailable_instances"] == 1


def test_nothing_to_create_is_no_content(deployed):
    for path, name in (("/nodes", "nodes"), ("/node-instances", "node_instances")):
        assert (
            deployed.call("POST", path, json={"deployment_id": "d1", name: []}).status_code == 204
        )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/nodes", {"nodes": [node("x")]}),
        ("/nodes", {"deployment_id": "d1", "nodes": {}}),
        ("/nodes", {"deployment_id": "d1", "nodes": [{"id": "x"}]}),
        ("/nodes", {"deployment_id": "d1", "nodes": ["x"]}),
        ("/nodes", {"deployment_id": "d1", "nodes": [node("x", properties=[])]}),
        ("/nodes", {"deployment_id": "d1", "nodes": [node("x", relationships=["y"])]}),
        ("/nodes", {"deployment_id": "d1", "nodes": [node("x", relationships=[{"type": "t"}])]}),
        ("/node-instances", {"deployment_id": "d1", "node_instances": [{"id": "x"}]}),
        (
            "/node-instances",
            {"deployment_id": "d1", "node_instances": [{"id": "x", "node_id": "db", "index": "1"}]},
        ),
        (
            "/node-instances",
            {"deployment_id": "d1", "node_instances": [{"id": "x", "node_id": "?"}]},
        ),
    ],
)
def test_parts_that_cannot_be_are_refused_altogether(deployed, path, body):
    reply = deployed.call("POST", path, json=body)

    assert (reply.status_code, reply.json["error_code"]) == (400, "bad_parameters_error")


@pytest.mark.parametrize(
    "path",
    [
        "/nodes?properties=5",
        "/nodes?_sort=operations",
        "/node-instances?runtime_properties=x",
        "/deployments?inputs=5",
        "/deployments?labels=x",
        "/deployments?_sort=workflows",
    ],
)
def test_documents_are_nothing_to_filter_or_sort_by(deployed, path):
    reply = deployed.call("GET", path)

    assert (reply.status_code, reply.json["error_code"]) == (400, "bad_parameters_error")


def test_an_instance_is_created_once(deployed):
    body = {"deployment_id": "d1", "node_instances": [{"id": "new", "node_id": "db"}]}
    assert deployed.call("POST", "/node-instances", json=body).status_code == 201

    again = deployed.call("POST", "/node-instances", json=body)

    assert (again.status_code, again.json["error_code"]) == (409, "conflict_error")
    assert deployed.get("/node-instances/new")["index"] == 2


def test_a_change_raises_the_version(deployed):
    first = patch(deployed, version=1, state="creating", runtime_properties={"a": [1, {"b": None}]})
    same = patch(deployed, version=2, state="creating")

    assert (first.status_code, first.json["version"]) == (200, 2)
    assert first.json["runtime_properties"] == {"a": [1, {"b": None}]}
    assert first.json.keys() == INSTANCE_KEYS
    assert same.json["version"] == 2, "what changes nothing is no new version"
    assert deployed.get("/node-instances/web_d1_1") == same.json


def test_a_stale_writer_is_told_so_unless_it_forces(deployed):
    patch(deployed, version=1, state="creating")

    stale = patch(deployed, version=1, state="started")
    forced = patch(deployed, query="?force=true", version=1, state="started")

    assert (stale.status_code, stale.json["error_code"]) == (409, "conflict_error")
    assert "[current version=2, update version=1]" in stale.json["message"]
    assert (forced.status_code, forced.json["state"]) == (200, "started")


def test_of_two_writers_at_once_one_wins(deployed):
    """Both have read version 1; a thread for each has its own connection."""
    barrier, replies = threading.Barrier(2), []

    def write(value):
        client = type(deployed)(deployed.client.application.test_client(), deployed.settings)
        barrier.wait()
        replies.append(patch(client, version=1, runtime_properties={"by": value}))

    writers = [threading.Thread(target=write, args=(value,)) for value in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert sorted(reply.status_code for reply in replies) == [200, 409]
    winner = next(reply for reply in replies if reply.status_code == 200)
    kept = deployed.get("/node-instances/web_d1_1")
    assert kept["runtime_properties"] == winner.json["runtime_properties"]
    assert kept["version"] == 2


@pytest.mark.parametrize(
    "body",
    [{}, {"version": "1"}, {"version": 1, "state": 3}, {"version": 1, "runtime_properties": []}],
)
def test_a_change_that_makes_no_sense_is_refused(deployed, body):
    reply = patch(deployed, **body)

    assert (reply.status_code, reply.json["error_code"]) == (400, "bad_parameters_error")


def test_a_text_that_cannot_be_stored_is_refused(deployed):
    reply = patch(deployed, version=1, runtime_properties={"a": "\0"})

    assert (reply.status_code, reply.json["error_code"]) == (400, "bad_parameters_error")


@pytest.mark.parametrize(
    ("properties", "is_ok", "has_drift"),
    [
        ({"status": {"ok": True}}, True, False),
        ({"status": {"ok": False}}, False, False),
        ({"configuration_drift": {"ok": True, "result": {"port": 1}}}, False, True),
        ({"source_relationships_configuration_drift": {"r": {"ok": False}}}, False, True),
        ({"status": "odd", "configuration_drift": None}, False, False),
    ],
)
def test_health_follows_from_the_last_checks(deployed, properties, is_ok, has_drift):
    changed = patch(deployed, version=1, system_properties=properties).json

    assert (changed["is_status_check_ok"], changed["has_configuration_drift"]) == (is_ok, has_drift)
    found = deployed.get("/deployments/d1")
    assert found["unavailable_instances"] == 2 - is_ok
    assert found["drifted_instances"] == int(has_drift)


def test_properties_are_evaluated_in_the_context_of_an_instance(deployed):
    patch(deployed, version=1, runtime_properties={"url": "http://here"})

    raw = deployed.get("/nodes?id=web&_evaluate_functions=False")["items"][0]
    evaluated = deployed.get(
        "/nodes?id=web&deployment_id=d1&_evaluate_functions=True&_instance_context=web_d1_1"
    )["items"][0]

    assert raw["properties"]["port"] == {"get_input": "port"}
    assert evaluated["properties"] == {"port": 8080, "url": "http://here"}
    assert evaluated.keys() == NODE_KEYS | {"name", "instance_id_hint"}


def test_runtime_properties_are_evaluated(deployed):
    properties = {"size": {"get_property": ["db", "size"]}, "plain": 1}
    patch(deployed, version=1, runtime_properties=properties)

    assert deployed.get("/node-instances/web_d1_1")["runtime_properties"] == properties
    evaluated = deployed.get("/node-instances/web_d1_1?_evaluate_functions=True")
    assert evaluated["runtime_properties"] == {"size": 3, "plain": 1}


def test_an_update_changes_and_deletes_parts(deployed):
    changed = deployed.call("PATCH", "/nodes/d1/web", json={"properties": {"port": 1}})
    gone = deployed.call("DELETE", "/nodes/d1/db")

    assert (changed.status_code, gone.status_code) == (204, 204)
    (left,) = deployed.get("/nodes?deployment_id=d1")["items"]
    assert left["properties"] == {"port": 1}
    assert deployed.call("GET", "/node-instances/db_d1_1").status_code == 404
    assert deployed.call("DELETE", "/node-instances/web_d1_1").status_code == 204
    assert deployed.call("DELETE", "/node-instances/web_d1_1").status_code == 404
    assert deployed.call("PATCH", "/nodes/d1/db", json={}).status_code == 404
