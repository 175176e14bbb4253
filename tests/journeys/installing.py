"""Journeys: install and uninstall; relationships; retries and resume; cancel and kill; scale."""

import time

import pytest

from tests.journeys.operator import (
    BLUEPRINTS,
    COMPLETED,
    Operator,
    event_types,
    messages,
    unique,
    wait_for,
)


def test_one_script_node_is_installed_and_uninstalled(operator: Operator):
    deployment = operator.install("hello", {"who": "everyone"})

    assert operator.outputs(deployment) == {"said": "hello everyone"}
    assert operator.capabilities(deployment) == {"greeting": "hello everyone"}
    assert operator.states(deployment) == {"hello": "started"}
    install = operator.last(deployment, "install")
    assert install["status"] == COMPLETED
    events = operator.events(install["id"])
    assert "greeting everyone" in messages(events)
    types = event_types(events)
    assert types[0] == "workflow_started"
    assert types[-1] == "workflow_succeeded"
    assert types.index("task_started") < types.index("task_succeeded")

    operator.execute(deployment, "uninstall")

    assert operator.states(deployment) == {"hello": "deleted"}
    said = messages(operator.events(operator.last(deployment, "uninstall")["id"]))
    assert "good-bye" in said
    operator.remove(deployment)


def test_the_one_command_install_and_uninstall_work(operator: Operator):
    name = unique("one-command")

    shown = operator.cfy.run("install", BLUEPRINTS / "hello" / "blueprint.yaml", "-b", name)

    assert "Finished executing workflow install" in shown
    assert operator.outputs(name) == {"said": "hello world"}
    operator.cfy.run("uninstall", name)
    assert name not in operator.cfy.run("deployments", "list")


def test_relationships_carry_values_and_order_the_nodes(operator: Operator):
    deployment = operator.install("shop", {"port": 1234})

    (counter,) = operator.instances(deployment, "counter")
    outputs = operator.outputs(deployment)
    assert outputs["connection"] == {
        "host": "store.example",
        "port": 1234,
        "tags": ["a", 1, None, True],
    }
    assert outputs["clients"] == [counter["id"]]
    assert operator.properties(deployment, "store")["steps"] == ["create", "start"]
    said = messages(operator.events(operator.last(deployment, "install")["id"]))
    order = [next(i for i, m in enumerate(said) if m.startswith(f"start {node} ")) for node in
             ("place", "store", "counter")]  # fmt: skip
    assert order == sorted(order)

    operator.execute(deployment, "uninstall")

    said = messages(operator.events(operator.last(deployment, "uninstall")["id"]))
    assert "counter left store" in said
    assert set(operator.states(deployment).values()) == {"deleted"}


@pytest.mark.parametrize("workflow", ["restart", "reinstall"])
def test_further_workflows_run_the_operations_again(operator: Operator, workflow):
    deployment = operator.install("shop")

    operator.execute(deployment, workflow)

    assert set(operator.states(deployment).values()) == {"started"}
    again = {"restart": ["stop", "start"], "reinstall": ["stop", "create", "start"]}
    steps = operator.properties(deployment, "place")["steps"]
    assert steps == ["create", "start", *again[workflow]]


def test_an_operation_is_executed_on_the_chosen_node(operator: Operator):
    deployment = operator.install("shop")

    operation = "cloudify.interfaces.lifecycle.stop"
    operator.execute(deployment, "execute_operation", operation=operation, node_ids=["store"])

    assert operator.properties(deployment, "store")["steps"][-1] == "stop"
    assert operator.properties(deployment, "place")["steps"][-1] == "start"


def test_heal_replaces_what_is_in_the_node(operator: Operator):
    deployment = operator.install("shop")
    (store,) = operator.instances(deployment, "store")

    operator.execute(deployment, "heal", node_instance_id=store["id"])

    assert operator.states(deployment) == dict.fromkeys(("place", "store", "counter"), "started")
    (healed,) = operator.instances(deployment, "store")
    assert healed["id"] == store["id"]
    assert operator.outputs(deployment)["connection"]["host"] == "store.example"


def test_a_dry_run_changes_nothing(operator: Operator):
    deployment = operator.deploy(operator.upload("hello"))

    operator.cfy.run("executions", "start", "install", "-d", deployment, "--dry-run")

    assert operator.states(deployment) == {"hello": "uninitialized"}


def test_a_group_scales_out_and_in(operator: Operator):
    deployment = operator.install("farm")
    assert len(operator.instances(deployment, "cow")) == 2

    operator.execute(deployment, "scale", scalable_entity_name="herd", delta=2)

    cows = operator.instances(deployment, "cow")
    assert len(cows) == len(operator.instances(deployment, "barn")) == 4
    assert len(operator.instances(deployment, "field")) == 1
    assert {cow["state"] for cow in cows} == {"started"}
    barns = {
        operator.cfy.json("node-instances", "get", cow["id"])["runtime_properties"]["barn"]
        for cow in cows
    }
    assert barns == {barn["id"] for barn in operator.instances(deployment, "barn")}

    operator.execute(deployment, "scale", scalable_entity_name="herd", delta=-3)

    assert len(operator.instances(deployment, "cow")) == 1
    assert len(operator.instances(deployment, "barn")) == 1
    operator.execute(deployment, "uninstall")


def test_scaling_to_less_than_nothing_is_refused(operator: Operator):
    deployment = operator.install("farm")
    words = ("executions", "start", "scale", "-d", deployment)

    operator.refusal(*words, "-p", "scalable_entity_name=herd", "-p", "delta=-3")

    assert operator.last(deployment, "scale")["status"] == "failed"
    assert len(operator.instances(deployment, "cow")) == 2


def test_an_operation_that_fails_is_tried_again(operator: Operator):
    deployment = operator.install("stubborn", {"failures": 1})

    assert operator.outputs(deployment) == {"attempts": 2}
    events = operator.events(operator.last(deployment, "install")["id"])
    assert "task_failed" in event_types(events) or "task_rescheduled" in event_types(events)
    assert "attempt 2, retry 1" in messages(events)


def test_what_failed_for_good_is_resumed(operator: Operator):
    deployment = operator.deploy(operator.upload("stubborn"), {"failures": 2})

    failed, said = operator.execute_to_failure(deployment, "install")

    assert "attempt 2 failed" in said
    assert operator.states(deployment)["after"] == "uninitialized"
    operator.cfy.run("executions", "resume", failed)
    operator.wait_for_status(failed, COMPLETED)
    assert operator.outputs(deployment) == {"attempts": 3}
    assert set(operator.states(deployment).values()) == {"started"}


def test_a_failure_that_is_not_recoverable_is_not_tried_again(operator: Operator):
    inputs = {"failures": 9, "recoverable": False}
    deployment = operator.deploy(operator.upload("stubborn"), inputs)

    _, said = operator.execute_to_failure(deployment, "install")

    assert "there is no way" in said
    assert operator.outputs(deployment) == {"attempts": 1}


def test_a_cancelled_workflow_lets_its_running_operation_end(operator: Operator):
    deployment = operator.deploy(operator.upload("slow"), {"ticks": 12})
    execution = operator.begin(deployment, "install", "tick 1")

    operator.cfy.run("executions", "cancel", execution)

    operator.wait_for_status(execution, "cancelled")
    assert operator.states(deployment)["after"] == "uninitialized"
    assert "workflow_cancelled" in event_types(operator.events(execution))
    wait_for(lambda: operator.events(execution), lambda events: "done" in messages(events))


def test_a_cancelled_workflow_is_resumed(operator: Operator):
    deployment = operator.deploy(operator.upload("slow"), {"ticks": 8})
    execution = operator.begin(deployment, "install", "tick 1")
    operator.cfy.run("executions", "cancel", execution)
    operator.wait_for_status(execution, "cancelled")

    operator.cfy.run("executions", "resume", execution)

    operator.wait_for_status(execution, COMPLETED)
    assert set(operator.states(deployment).values()) == {"started"}


def test_force_cancel_ends_the_workflow_at_once(operator: Operator):
    deployment = operator.deploy(operator.upload("slow"), {"ticks": 40})
    execution = operator.begin(deployment, "install", "tick 1")
    began = time.monotonic()

    operator.cfy.run("executions", "cancel", "--force", execution)

    operator.wait_for_status(execution, "cancelled")
    assert time.monotonic() - began < 12, "the running operation takes 20 s"
    assert operator.states(deployment)["after"] == "uninitialized"


def test_kill_ends_the_workflow_and_its_operation(operator: Operator):
    deployment = operator.deploy(operator.upload("slow"), {"ticks": 400})
    execution = operator.begin(deployment, "install", "tick 1")

    operator.cfy.run("executions", "cancel", "--kill", execution)

    operator.wait_for_status(execution, "cancelled")
    _wait_until_quiet(operator, execution)
    operator.execute(deployment, "uninstall", ignore_failure=True)


def _wait_until_quiet(operator: Operator, execution: str) -> None:
    """Wait for a span of four ticks without one: what is dead says nothing more."""
    last, since = -1, time.monotonic()
    deadline = since + 30
    while time.monotonic() < since + 2:
        assert time.monotonic() < deadline, "the operation goes on"
        count = len(operator.events(execution))
        if count != last:
            last, since = count, time.monotonic()


def test_one_execution_at_a_time_others_queue(operator: Operator):
    deployment = operator.deploy(operator.upload("slow"), {"ticks": 12})
    install = operator.begin(deployment, "install", "tick 1")

    refusal = operator.refusal("executions", "start", "uninstall", "-d", deployment)
    operator.cfy.run("executions", "start", "uninstall", "-d", deployment, "--queue")

    assert "executions are currently running" in refusal
    queued = operator.last(deployment, "uninstall")
    assert queued["status"] in ("queued", "pending", "started")
    operator.wait_for_status(install, COMPLETED)
    operator.wait_for_status(queued["id"], COMPLETED)
    assert set(operator.states(deployment).values()) == {"deleted"}
