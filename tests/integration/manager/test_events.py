"""Events and log lines: stored together, found by what they belong to, when, and what they say."""

import pytest
from sqlalchemy import select

from manager.storage.models import Deployment, Event
from tests.support.execution_world import World
from tests.support.workflows import make_instance

pytestmark = pytest.mark.integration


@pytest.fixture
def executions(database, publisher):
    """Start an execution in each of two deployments and return their ids."""
    world = World(database, publisher)
    world.deploy("a", "b")
    with database.session() as session:
        for deployment in session.scalars(select(Deployment)).all():
            make_instance(session, deployment)
    return {name: world.execution(world.start(name)).id for name in "ab"}


def item(text, at, **values):
    context = {"node_id": values.pop("node_id", None)}
    return {"message": {"text": text}, "timestamp": at, "context": context, **values}


@pytest.fixture
def reported(api, executions, publisher):
    """Report two events and a log line of one execution, an event of the other."""
    post(
        api.with_token(publisher.tokens[executions["a"]]),
        executions["a"],
        events=[
            item("first 10% done", "2026-11-20T10:00:00.000Z", event_type="workflow_started"),
            item("second", "2026-11-20T12:00:00", event_type="x", node_id="a_vm_abc123"),
        ],
        logs=[item("a line_1", "2026-11-20T11:00:00Z", level="error", logger="ctx")],
    )
    post(
        api.with_token(publisher.tokens[executions["b"]]),
        executions["b"],
        events=[item("other", "2026-11-20T13:00:00Z", event_type="x")],
    )
    return executions


def post(client, execution_id, **body):
    reply = client.call("POST", "/events", json={"execution_id": execution_id, **body})
    assert reply.status_code == 201, reply.text


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("", ["first 10% done", "second", "a line_1", "other"]),
        ("type=cloudify_event", ["first 10% done", "second", "other"]),
        ("type=cloudify_event&type=cloudify_log&deployment_id=b", ["other"]),
        ("type=cloudify_log", ["a line_1"]),
        ("level=error", ["a line_1"]),
        ("event_type=x", ["second", "other"]),
        ("blueprint_id=a&event_type=x", ["second"]),
        ("workflow_id=install&logger=ctx", ["a line_1"]),
        ("node_instance_id=a_vm_abc123", ["second"]),
        ("node_name=vm", ["second"]),
        ("_sort=timestamp", ["first 10% done", "a line_1", "second", "other"]),
        ("_sort=-@timestamp", ["other", "second", "a line_1", "first 10% done"]),
        ("_sort=-reported_timestamp&_size=2", ["other", "a line_1"]),
        ("message.text=LINE_", ["a line_1"]),
        ("message=f*done", ["first 10% done"]),
        ("message=line_2", []),
        ("_search=10%25 d", ["first 10% done"]),
        ("_range=@timestamp,2026-11-20T10:30:00,2026-11-20T12:00:00", ["second", "a line_1"]),
        ("_range=@timestamp,2026-11-20T12:30:00.000Z,", ["other"]),
        ("_range=timestamp,,2026-11-20 12:00:00%2B02:00", ["first 10% done"]),
        ("_range=timestamp,,2026-11-20T12:00:00+02:00", ["first 10% done"]),
        ("_size=2&_offset=1", ["second", "a line_1"]),
    ],
)
def test_events_are_found(api, reported, query, messages):
    found = api.get(f"/events?{query}")

    assert [event["message"] for event in found["items"]] == messages


def test_a_page_tells_how_many_there_are(api, reported):
    pagination = api.get("/events?_size=2&_offset=1")["metadata"]["pagination"]

    assert pagination == {"size": 2, "offset": 1, "total": 4}


def test_an_executions_events_are_its_own(api, reported):
    found = api.get(f"/events?execution_id={reported['b']}&_include=message,execution_id")

    assert found["items"] == [{"execution_id": reported["b"], "message": "other"}]


@pytest.mark.parametrize(
    "query",
    [
        "flavour=sweet",
        "_sort=flavour",
        "_range=message,a,b",
        "_range=timestamp,soon,",
        "_range=timestamp",
        "error_causes=x",
    ],
)
def test_what_events_do_not_have_is_refused(api, query):
    assert api.call("GET", f"/events?{query}").status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"events": {}},
        {"events": ["text"]},
        {"events": [{"context": 1, "message": {}}]},
        {"events": [{"timestamp": "soon", "message": {"text": "x"}}]},
    ],
)
def test_malformed_events_are_refused(api, executions, body):
    reply = api.call("POST", "/events", json={"execution_id": executions["a"], **body})

    assert (reply.status_code, reply.json["error_code"]) == (400, "bad_parameters_error")


def test_events_of_an_unknown_execution_are_refused(api, executions):
    body = {"execution_id": "x", "events": [item("x", "2026-11-20T10:00:00Z")]}

    assert api.call("POST", "/events", json=body).status_code == 404


def test_nothing_to_store_is_stored(api, executions, database):
    reply = api.call("POST", "/events", json={"execution_id": executions["a"], "events": []})

    assert reply.status_code == 204


def test_text_with_nul_is_stored_without_it(api, executions, database):
    event = item("a\0b", "2026-11-20T10:00:00Z", error_causes=[{"message": "c\0d"}])

    post(api, executions["a"], events=[event])

    with database.session() as session:
        stored = session.scalars(select(Event)).one()
    assert (stored.message, stored.error_causes) == ("ab", [{"message": "cd"}])


def test_deleting_takes_one_deployments_events(api, reported):
    reply = api.call("DELETE", "/events?deployment_id=a&type=cloudify_event")

    assert reply.json["items"] == [2]
    left = [event["message"] for event in api.get("/events")["items"]]
    assert left == ["a line_1", "other"]


def test_deleting_an_unknown_deployments_events_is_refused(api):
    assert api.call("DELETE", "/events?deployment_id=x").status_code == 404
    assert api.call("DELETE", "/events").status_code == 400
