"""Operations: what a change of state brings, and that an end is told once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from manager.services.execution_life import finish
from manager.services.execution_status import ExecutionStatus
from manager.storage.models import Deployment, Event, Execution, Node, NodeInstance, Operation
from tests.support.execution_world import World
from tests.support.workflows import make_instance

pytestmark = pytest.mark.integration

CONTEXT = {
    "node_id": "a_vm_abc123",
    "node_name": "vm",
    "operation": {"name": "cloudify.interfaces.lifecycle.create"},
}


def task(name, kind="RemoteWorkflowTask", **parameters):
    return {
        "id": name,
        "name": "script_runner.tasks.run",
        "type": kind,
        "parameters": {"task_kwargs": {"kwargs": {"__cloudify_context": CONTEXT}}, **parameters},
    }


OPERATIONS = [
    task("script"),
    task("retry", current_retries=1, total_retries=60),
    task("subgraph", "SubgraphTask", task_kwargs={}),
    task("nop", "NOPLocalWorkflowTask", task_kwargs={}),
    task(
        "starting",
        "SetNodeInstanceStateTask",
        task_kwargs={"node_instance_id": "a_vm_abc123", "state": "started"},
    ),
    task(
        "telling",
        "SendNodeEventTask",
        task_kwargs={"node_instance_id": "a_vm_abc123", "event": "Creating node instance"},
    ),
]


@pytest.fixture
def worker(api, database, publisher):
    """Return a client with the token of an execution that has stored a graph."""
    world = World(database, publisher)
    world.deploy("a")
    with database.session() as session:
        make_instance(session, session.scalars(select(Deployment)).one())
    key = world.start("a")
    world.report(key, ExecutionStatus.STARTED)
    execution = world.execution(key)
    client = api.with_token(publisher.tokens[execution.id], "Execution-Token")
    body = {"name": "install", "execution_id": execution.id, "operations": OPERATIONS}
    assert client.call("POST", "/tasks_graphs/tasks_graphs", json=body).status_code == 201
    return client


def patch(worker, operation, state, **values):
    return worker.call("PATCH", f"/operations/{operation}", json={"state": state, **values})


def only(database, model):
    with database.session() as session:
        return session.scalars(select(model)).one()


def events(database):
    with database.session() as session:
        return session.scalars(select(Event).order_by(Event.key)).all()


def test_internal_operations_are_not_counted(worker, database):
    execution = only(database, Execution)

    assert (execution.total_operations, execution.finished_operations) == (5, 0)


@pytest.mark.parametrize("state", ["succeeded", "failed", "rescheduled"])
def test_an_end_is_counted_once(worker, database, state):
    for _ in range(2):
        assert patch(worker, "script", state).status_code == 200

    assert only(database, Execution).finished_operations == 1
    assert len(events(database)) == 1


def test_an_internal_operation_counts_nothing(worker, database):
    patch(worker, "nop", "succeeded")

    assert only(database, Execution).finished_operations == 0


@pytest.mark.parametrize("state", ["started", "failed", "response-sent", "pending"])
def test_what_has_succeeded_stays_so(worker, state):
    patch(worker, "script", "succeeded")

    reply = patch(worker, "script", state)

    assert (reply.status_code, reply.json["error_code"]) == (409, "conflict_error")
    assert worker.get("/operations/script")["state"] == "succeeded"


@pytest.mark.parametrize(
    ("operation", "change", "event_type", "message"),
    [
        ("script", {"state": "sending"}, "sending_task", "Sending task 'script_runner.tasks.run'"),
        ("script", {"state": "started"}, "task_started", "Task started 'script_runner.tasks.run'"),
        (
            "script",
            {"state": "succeeded", "result": 7},
            "task_succeeded",
            "Task succeeded 'script_runner.tasks.run' - 7",
        ),
        (
            "retry",
            {"state": "failed", "exception": "it\0 broke"},
            "task_failed",
            "Task failed 'script_runner.tasks.run' -> it broke [retry 1/60]",
        ),
        (
            "subgraph",
            {"state": "started"},
            "task_started",
            "Subgraph started 'script_runner.tasks.run'",
        ),
        (
            "telling",
            {"state": "succeeded"},
            "workflow_node_event",
            "Creating node instance",
        ),
    ],
)
def test_changes_are_told_in_the_originals_words(
    worker, database, operation, change, event_type, message
):
    patch(worker, operation, **change)

    (event,) = events(database)
    assert (event.event_type, event.message) == (event_type, message)


def test_an_event_names_operation_instance_and_causes(worker, database):
    causes = [{"type": "E", "message": "m", "traceback": "t"}]
    patch(worker, "script", "failed", exception="e", exception_causes=causes, manager_name="m1")

    (event,) = events(database)
    assert event.operation == "cloudify.interfaces.lifecycle.create"
    assert event.node_id == "a_vm_abc123"
    assert event.error_causes == causes
    assert event.manager_name == "m1"


@pytest.mark.parametrize("state", ["sent", "response-sent"])
def test_states_between_are_not_told(worker, database, state):
    patch(worker, "script", state)

    assert events(database) == []


def test_a_node_instance_gets_the_state_that_a_task_sets(worker, database):
    before = only(database, NodeInstance).version

    patch(worker, "starting", "succeeded")

    instance = only(database, NodeInstance)
    assert (instance.state, instance.version) == ("started", before + 1)
    assert instance.system_properties["status"]["ok"] is True
    assert instance.is_status_check_ok
    assert events(database) == []


def test_a_checked_instance_keeps_what_the_check_said(worker, database):
    with database.session() as session:
        instance = session.scalars(select(NodeInstance)).one()
        instance.system_properties = {"status": {"ok": False}, "mine": 1}

    patch(worker, "starting", "succeeded")

    instance = only(database, NodeInstance)
    assert instance.system_properties == {
        "status": {"ok": False},
        "mine": 1,
        "previous_status": None,
    }
    assert not instance.is_status_check_ok


def test_two_workers_cannot_both_end_an_operation(worker, database):
    """A message that was delivered twice is answered at the same time by two workers."""
    barrier = threading.Barrier(4)

    def end(state):
        barrier.wait()
        return patch(worker, "script", state).status_code

    with ThreadPoolExecutor(4) as threads:
        codes = list(threads.map(end, ["succeeded", "failed", "succeeded", "failed"]))

    assert sorted(codes) == [200, 200, 409, 409]
    assert only(database, Execution).finished_operations == 1


def test_a_deleted_operation_is_counted_no_longer(worker, database):
    patch(worker, "script", "succeeded")

    assert worker.call("DELETE", "/operations/script").json["id"] == "script"

    execution = only(database, Execution)
    assert (execution.total_operations, execution.finished_operations) == (4, 0)
    assert worker.call("GET", "/operations/script").status_code == 404


def test_an_id_is_used_once(worker, database):
    graph_id = worker.get("/operations/script")["tasks_graph_id"]
    body = {**task("script"), "graph_id": graph_id, "dependencies": []}

    assert worker.call("PUT", "/operations/script", json=body).status_code == 409


def test_stored_operations_get_new_inputs(worker, database):
    with database.session() as session:
        node = session.scalars(select(Node)).one()
        name = CONTEXT["operation"]["name"]
        node.operations = {name: {"inputs": {"port": 81}}}
    body = {
        "action": "update-stored",
        "deployment_id": "a",
        "node_id": "vm",
        "operation": name,
        "key": "operations",
        "rel_index": None,
    }

    assert worker.call("POST", "/operations", json=body).status_code == 204

    kwargs = worker.get("/operations/script")["parameters"]["task_kwargs"]["kwargs"]
    assert kwargs["port"] == 81
    assert kwargs["__cloudify_context"] == {**CONTEXT, "has_intrinsic_functions": True}


@pytest.mark.parametrize(
    "operation",
    [
        {"id": "x"},
        {"id": 1, "name": "x", "type": "t"},
        {"id": "x", "name": "x", "type": "t", "parameters": []},
        "x",
    ],
)
def test_a_malformed_operation_is_refused(worker, database, operation):
    execution_id = only(database, Execution).id
    body = {"name": "other", "execution_id": execution_id, "operations": [operation]}

    assert worker.call("POST", "/tasks_graphs/tasks_graphs", json=body).status_code == 400


def test_text_with_nul_is_stored_without_it(worker, database):
    execution_id = only(database, Execution).id
    operation = task("strange", note="a\0b", **{"na\0me": ["\\u0000"]})
    body = {"name": "other", "execution_id": execution_id, "operations": [operation]}

    assert worker.call("POST", "/tasks_graphs/tasks_graphs", json=body).status_code == 201

    parameters = worker.get("/operations/strange")["parameters"]
    assert (parameters["note"], parameters["name"]) == ("ab", ["\\u0000"])


def test_lists_are_of_a_graph_or_an_execution(worker, database):
    execution_id = only(database, Execution).id

    everything = worker.get(f"/operations?execution_id={execution_id}")["items"]
    external = worker.get(f"/operations?execution_id={execution_id}&skip_internal=true")["items"]

    assert [item["id"] for item in everything] == [item["id"] for item in OPERATIONS]
    assert [item["id"] for item in external] == ["script", "retry", "subgraph"]
    assert worker.call("GET", "/operations").status_code == 400


def test_a_finished_executions_operations_may_still_report(worker, database):
    """The processes of a cancelled workflow's operations outlive it."""
    patch(worker, "script", "started")
    with database.session() as session:
        finish(session, session.scalars(select(Execution.key)).one(), ExecutionStatus.CANCELLED)

    assert patch(worker, "script", "succeeded").status_code == 200
    assert patch(worker, "retry", "started").status_code == 401
    with database.session() as session:
        assert (
            session.scalars(select(Operation.state).where(Operation.id == "script")).one()
            == "succeeded"
        )
