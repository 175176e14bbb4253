"""Deployments and their parts, as clients of Cloudify 7.0.5 meet them."""

import threading

import pytest

from manager.services.execution_status import ExecutionStatus
from tests.support.deployments import ATTRIBUTES, add_blueprint, end_creation, make_deployment, node

pytestmark = pytest.mark.integration


@pytest.fixture
def blueprint(database):
    add_blueprint(database)


def put(api, deployment_id="d1", query="?async_create=true", **body):
    body = {"blueprint_id": "bp", "visibility": "tenant", "inputs": {}, **body}
    return api.call("PUT", f"/deployments/{deployment_id}{query}", json=body)


def test_a_new_deployment_waits_for_its_environment(api, database, blueprint):
    reply = put(api, display_name="My site", labels=[{"Env": "x"}])

    assert reply.status_code == 201, reply.text
    made = reply.json
    assert made["id"] == "d1"
    assert made["latest_execution_status"] == "in_progress"
    assert made["deployment_status"] == "in_progress"
    assert made["latest_execution_workflow_id"] == "create_deployment_environment"
    assert made["create_execution"] == made["latest_execution"]
    assert made["installation_status"] == "inactive"
    assert made["workflows"] is None
    assert (made["tenant_name"], made["created_by"]) == ("default_tenant", "admin")


def test_put_answers_when_the_environment_is_made(api, database, blueprint):
    """Nobody polls: the end of the execution wakes the request."""
    replies = []
    request = threading.Thread(target=lambda: replies.append(put(api, query="")))
    request.start()
    wait_for_row(api)
    assert not replies

    end_creation(database, "d1")
    request.join(timeout=10)

    assert replies[0].status_code == 201, replies[0].text
    assert replies[0].json["latest_execution_status"] == "completed"


def test_put_explains_why_the_environment_could_not_be_made(api, database, blueprint):
    replies = []
    request = threading.Thread(target=lambda: replies.append(put(api, query="")))
    request.start()
    wait_for_row(api)

    end_creation(database, "d1", ExecutionStatus.FAILED, "Traceback\nValueError: bad input")
    request.join(timeout=10)

    assert replies[0].status_code == 400
    assert replies[0].json["error_code"] == "deployment_creation_error"
    assert replies[0].json["message"] == "ValueError: bad input"
    assert put(api).status_code == 201, "the id of a deployment that never was is free again"


def wait_for_row(api):
    """Wait until the deployment is committed."""
    for _ in range(200):
        if api.call("GET", "/deployments/d1").status_code == 200:
            return
        threading.Event().wait(0.02)
    raise AssertionError("the deployment was never created")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"blueprint_id": "nothing"}, 404, "not_found_error"),
        ({"inputs": {"unknown": 1}}, 400, "unknown_deployment_input_error"),
        ({"inputs": [1]}, 400, "bad_parameters_error"),
        ({"labels": [{"a": "b", "c": "d"}]}, 400, "bad_parameters_error"),
        ({"labels": [{"csys-mine": "b"}]}, 400, "bad_parameters_error"),
        ({"labels": [{"a": "b"}, {"A": "b"}]}, 400, "bad_parameters_error"),
        ({"site_name": "nowhere"}, 404, "not_found_error"),
        ({"visibility": "nobody"}, 400, "bad_parameters_error"),
        ({"visibility": "global"}, 400, "illegal_action_error"),
        ({"display_name": 5}, 400, "bad_parameters_error"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused(api, blueprint, body, status, code):
    reply = put(api, **body)

    assert (reply.status_code, reply.json["error_code"]) == (status, code), reply.text
    assert api.call("GET", "/deployments/d1").status_code == 404


def test_inputs_without_default_must_be_given(api, database):
    add_blueprint(database, "needs", {"inputs": {"name": {}, "nick": {"required": False}}})

    reply = put(api, blueprint_id="needs")

    assert (reply.status_code, reply.json["error_code"]) == (
        400,
        "missing_required_deployment_input_error",
    )
    assert reply.json["message"] == "missing inputs: name"
    assert put(api, blueprint_id="needs", inputs={"name": "x"}).status_code == 201


def test_a_blueprint_that_is_not_uploaded_makes_no_deployment(api, database):
    add_blueprint(database, "half", state="parsing")

    reply = put(api, blueprint_id="half")

    assert (reply.status_code, reply.json["error_code"]) == (400, "deployment_creation_error")


def test_a_missing_plugin_stops_the_creation_unless_told_not_to_look(api, database):
    plugin = {"name": "p", "package_name": "cloudify-p", "package_version": "1.0", "install": True}
    add_blueprint(database, "plugged", {"deployment_plugins_to_install": [plugin]})

    reply = put(api, blueprint_id="plugged")

    assert (reply.status_code, reply.json["error_code"]) == (400, "deployment_plugin_not_found")
    skipped = put(api, blueprint_id="plugged", skip_plugins_validation=True)
    assert skipped.status_code == 201


def test_an_id_is_taken_once(api, blueprint):
    assert put(api).status_code == 201

    reply = put(api)

    assert (reply.status_code, reply.json["error_code"]) == (409, "conflict_error")


def test_what_the_plan_says_is_written_once(api, database, blueprint):
    make_deployment(api, database)

    again = api.call("PATCH", "/deployments/d1", json={"outputs": {}})
    renamed = api.call("PATCH", "/deployments/d1", json={"display_name": "other"})

    assert (again.status_code, again.json["error_code"]) == (409, "conflict_error")
    assert renamed.json["display_name"] == "other"
    assert renamed.json["outputs"] == ATTRIBUTES["outputs"]
    assert api.call("PATCH", "/deployments/d1", json={}).status_code == 400


def test_a_deployment_tells_how_it_is(api, database, blueprint):
    make_deployment(api, database, nodes=[node("web"), node("db")])

    found = api.get("/deployments/d1")

    assert found["installation_status"] == "inactive"
    assert found["deployment_status"] == "requires_attention"
    assert found["unavailable_instances"] == 2
    assert found["drifted_instances"] == 0
    assert found["policy_types"] == ATTRIBUTES["policy_types"]
    assert {w["name"]: w["is_available"] for w in found["workflows"]} == {
        "install": True,
        "uninstall": False,
    }


def test_workflows_become_available_as_instances_start(api, database, blueprint):
    make_deployment(api, database)
    patch_instance(api, "web_d1_1", state="started")

    found = api.get("/deployments/d1?_include=workflows")

    assert {w["name"]: w["is_available"] for w in found["workflows"]} == {
        "install": False,
        "uninstall": True,
    }


def patch_instance(api, instance_id, version=1, query="", **values):
    reply = api.call(
        "PATCH", f"/node-instances/{instance_id}{query}", json={"version": version, **values}
    )
    assert reply.status_code == 200, reply.text
    return reply.json


def test_lists_have_the_same_documents_as_single_items(api, database, blueprint):
    make_deployment(api, database, "d1")
    make_deployment(api, database, "d2", description="another")

    reply = api.get("/deployments?_sort=id")

    assert [item["id"] for item in reply["items"]] == ["d1", "d2"]
    assert reply["items"][0] == api.get("/deployments/d1")
    assert reply["items"][1] == api.get("/deployments/d2")
    assert reply["metadata"]["pagination"] == {"total": 2, "size": 1000, "offset": 0}


def test_a_list_is_found_by_blueprint_and_text(api, database, blueprint):
    make_deployment(api, database, "d1")
    add_blueprint(database, "other")
    make_deployment(api, database, "web-2", blueprint_id="other")

    assert ids(api.get("/deployments?blueprint_id=other&_include=id")) == ["web-2"]
    assert ids(api.get("/deployments?_search=WEB&_include=id")) == ["web-2"]
    assert ids(api.get("/deployments?latest_execution_status=failed&_include=id")) == []
    assert ids(api.get("/deployments?installation_status=inactive&_include=id,labels")) == [
        "d1",
        "web-2",
    ]


def ids(reply):
    return [item["id"] for item in reply["items"]]
