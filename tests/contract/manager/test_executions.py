"""Executions, operations, graphs and events answer as was recorded from the original."""

import json
from pathlib import Path

import pytest

from manager.services.executions import start_system_workflow
from manager.storage.models import Execution
from tests.support.workflows import admin, make_deployment, make_instance

pytestmark = pytest.mark.integration

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "samples" / "executions.jsonl")
    .read_text()
    .splitlines()
]


def recorded(method, path, *, status=200, where=lambda _sample: True):
    """Return the first recorded exchange of a kind; `path` is the part behind /api/v3.1."""
    return next(
        sample
        for sample in RECORDED
        if sample["method"] == method
        and sample["path"].removeprefix("/api/v3.1").startswith(path)
        and sample["status"] == status
        and where(sample)
    )


def shape(value, *, free=("parameters", "metadata")):
    """Return names and types; null stands for any type."""
    if isinstance(value, dict):
        return {name: None if name in free else shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return None if value is None else type(value).__name__


def same_shape(ours, theirs):
    """Tell whether two shapes agree: the same names, no contrary types."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return sorted(ours) == sorted(theirs) and all(same_shape(ours[n], theirs[n]) for n in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return all(same_shape(*pair) for pair in zip(ours, theirs, strict=False))
    return ours is None or theirs is None or ours == theirs


def assert_like(reply, sample):
    assert reply.status_code == sample["status"], reply.text
    ours, theirs = shape(reply.json), shape(sample["response"])
    assert same_shape(ours, theirs), f"\n{ours}\n{theirs}"


@pytest.fixture
def installation(api, database, publisher):
    """Start `install` of a deployment: the execution, and a client with its token."""
    with database.session() as session:
        make_instance(session, make_deployment(session, "hello"))
    sample = recorded("POST", "/executions", status=201)
    reply = api.call("POST", "/executions", json=sample["request"])
    assert_like(reply, sample)
    execution = reply.json
    return execution, api.with_token(publisher.tokens[execution["id"]], "Execution-Token")


@pytest.fixture
def graph(installation):
    """Store a task graph as a workflow does."""
    execution, worker = installation
    sample = recorded("POST", "/tasks_graphs", status=201)
    body = {**sample["request"], "execution_id": execution["id"]}
    reply = worker.call("POST", "/tasks_graphs/tasks_graphs", json=body)
    assert_like(reply, sample)
    return reply.json, body["operations"], worker


def test_the_parameters_are_what_the_workflow_declares(installation):
    execution, _ = installation

    assert execution["parameters"] == {"node_ids": [], "type_names": []}
    assert execution["status"] == execution["status_display"] == "pending"


def test_an_execution_is_read_by_its_worker(installation):
    execution, worker = installation

    reply = worker.call("GET", f"/executions/{execution['id']}")

    assert_like(reply, recorded("GET", "/executions/"))
    assert worker.get(f"/executions/{execution['id']}?_include=status") == {"status": "pending"}


@pytest.mark.parametrize("status", ["started", "failed"])
def test_a_worker_reports_a_status(installation, status):
    execution, worker = installation
    sample = recorded(
        "PATCH", "/executions/", where=lambda found: found["request"]["status"] == status
    )

    reply = worker.call("PATCH", f"/executions/{execution['id']}", json=sample["request"])

    assert_like(reply, sample)
    assert reply.json["status"] == status


def test_lists_have_the_fields_that_cfy_asks_for(api, installation):
    sample = recorded("GET", "/executions", where=lambda found: "_sort" in found["query"])
    query = {**sample["query"], "_include_system_workflows": "False"}

    assert_like(api.call("GET", "/executions", query_string=query), sample)


def test_a_killed_execution_is_answered(api, installation):
    execution, _ = installation
    sample = recorded("POST", "/executions/", where=lambda s: s["request"] == {"action": "kill"})

    reply = api.call("POST", f"/executions/{execution['id']}", json=sample["request"])

    assert_like(reply, sample)
    assert reply.json["status"] == "kill_cancelling"


def test_an_absent_execution_is_not_found(api):
    sample = recorded("GET", "/executions/", status=404)

    reply = api.call("GET", sample["path"].removeprefix("/api/v3.1"))

    assert (reply.status_code, reply.json) == (404, sample["response"])


@pytest.mark.parametrize("status", [400, 404])
def test_a_wrong_request_is_told_in_the_recorded_words(api, status):
    sample = recorded("POST", "/executions", status=status)

    reply = api.call("POST", "/executions", json=sample["request"])

    assert (reply.status_code, reply.json) == (status, sample["response"])


def test_graphs_are_listed_by_execution_and_name(graph):
    stored, _, worker = graph
    sample = recorded("GET", "/tasks_graphs", where=lambda found: found["response"]["items"])
    query = {"execution_id": stored["execution_id"], "name": "install"}

    reply = worker.call("GET", "/tasks_graphs", query_string=query)

    assert_like(reply, sample)
    assert [item["id"] for item in reply.json["items"]] == [stored["id"]]
    assert worker.get("/tasks_graphs", query_string={**query, "name": "other"})["items"] == []


def test_operations_are_read_in_their_order(graph):
    stored, operations, worker = graph

    items = worker.get("/operations", query_string={"graph_id": stored["id"]})["items"]

    assert [item["id"] for item in items] == [operation["id"] for operation in operations]
    assert items[1]["dependencies"] == operations[1]["dependencies"]
    assert items[0]["parameters"] == operations[0]["parameters"]


def test_an_operation_is_read_patched_and_retried(graph):
    stored, operations, worker = graph
    path = f"/operations/{operations[0]['id']}"
    changed, added = recorded("PATCH", "/operations/"), recorded("PUT", "/operations/", status=201)

    assert_like(worker.call("PATCH", path, json=changed["request"]), changed)
    assert_like(worker.call("GET", path), recorded("GET", "/operations/"))
    retry = {**added["request"], "graph_id": stored["id"]}
    assert_like(worker.call("PUT", "/operations/retry", json=retry), added)
    assert worker.get(path)["state"] == "started"


def test_events_are_stored_and_listed(api, installation):
    execution, worker = installation
    posted = recorded("POST", "/events", status=201)
    log = {
        "context": {"execution_id": execution["id"], "node_id": "hello_vm_abc123"},
        "logger": "ctx",
        "level": "info",
        "message": {"text": "a line"},
        "timestamp": "2026-11-20T23:35:07.412Z",
    }

    body = {**posted["request"], "execution_id": execution["id"], "logs": [log]}
    reply = worker.call("POST", "/events", json=body)
    event, line = api.get(f"/events?execution_id={execution['id']}&_sort=reported_timestamp")[
        "items"
    ]

    assert (reply.status_code, reply.json) == (201, None)
    listed = recorded("GET", "/events", where=lambda found: found["response"]["items"])
    theirs = listed["response"]["items"][0]
    assert sorted(line) == sorted(theirs)
    assert set(event) == {*theirs, "event_type"} - {"logger", "level"}
    assert event["message"] == "Starting 'upload_blueprint' workflow execution"
    assert (line["node_instance_id"], line["node_name"]) == ("hello_vm_abc123", "vm")
    assert line["timestamp"] == "2026-11-20T23:35:07.412Z"


@pytest.mark.parametrize("query", [{"execution_id": "x", "type": "cloudify_event"}, {}])
def test_an_empty_list_of_events_has_the_recorded_envelope(api, query):
    sample = recorded("GET", "/events", where=lambda found: not found["response"]["items"])

    reply = api.call("GET", "/events", query_string={**query, "_size": "100"})

    assert list(reply.json["metadata"]) == list(sample["response"]["metadata"])
    assert reply.json["metadata"]["pagination"] == {"size": 100, "offset": 0, "total": 0}


def test_the_end_of_delete_removes_the_deployment(api, database, publisher):
    """cfy polls the execution until it is gone with its deployment."""
    with database.session() as session:
        deployment = make_deployment(session, "h3")
        execution = start_system_workflow(
            session,
            admin(session),
            "delete_deployment_environment",
            parameters={},
            deployment=deployment,
        )
        execution_id = execution.id
    worker = api.with_token(publisher.tokens[execution_id])

    for status in ("started", "terminated"):
        reply = worker.call("PATCH", f"/executions/{execution_id}", json={"status": status})
        assert (reply.status_code, reply.json["status"]) == (200, status)

    assert api.call("GET", f"/executions/{execution_id}").status_code == 404
    with database.session() as session:
        assert session.query(Execution).count() == 0
