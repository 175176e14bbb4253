"""The management worker on a whole manager: what runs, what is ended, what survives a worker."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.engine import Engine, script_nodes, wait_for
from tests.support.processes import descendants
from tests.support.runtime import runtime_on_loopback

pytestmark = pytest.mark.integration

HANG = """import time
from cloudify import ctx
open({note!r}, 'a').write('begun\\n')
time.sleep(300)
"""
SLOW = """import time
from cloudify import ctx
open({note!r}, 'a').write('begin ' + ctx.task_id + '\\n')
time.sleep(1.5)
open({note!r}, 'a').write('end ' + ctx.task_id + '\\n')
"""
ANSWERED = ("response-sent", "succeeded")


@pytest.fixture(scope="module")
def runtime():
    with runtime_on_loopback() as runtime:
        yield runtime


@pytest.fixture
def engine(runtime):
    engine = Engine(runtime)
    yield engine
    for state in ("started", "cancelling"):
        for each in runtime.call("GET", f"/executions?status={state}")["items"]:
            engine.act(each["id"], "kill")
            engine.end_of(each["id"])


@pytest.fixture
def note(tmp_path):
    tmp_path.chmod(0o777)
    return tmp_path / "note"


def wait_until_no_task_runs(runtime):
    """Wait for the end of what is below the zygote, which is the worker's first child."""
    deadline = time.monotonic() + 20
    while running := descendants(runtime.worker.pid)[1:]:
        assert time.monotonic() < deadline, running
        time.sleep(0.05)


def wait_until_answered(engine, execution, count):
    """Wait until so many operations of an execution have their answer."""
    deadline = time.monotonic() + 60
    while sum(each["state"] in ANSWERED for each in engine.operations(execution)) < count:
        assert time.monotonic() < deadline, engine.execution(execution)
        time.sleep(0.02)


def test_a_bash_script_talks_to_its_context(engine, runtime):
    script = """#!/bin/bash -e
ctx logger info 'hello from bash'
ctx instance runtime-properties said "$(ctx instance id)"
"""
    engine.deploy("bash", script_nodes(1, script, name="s.sh"))

    end = engine.run("bash", "install")

    assert end["status"] == "terminated", end
    (instance,) = runtime.call("GET", "/node-instances?deployment_id=bash")["items"]
    assert instance["runtime_properties"] == {"said": instance["id"]}
    assert instance["state"] == "started"
    assert "hello from bash" in engine.logs(end["id"])
    events = engine.events(end["id"])
    assert (events["sending_task"], events["task_succeeded"]) == (1, 2)
    assert (events["workflow_started"], events["workflow_succeeded"]) == (1, 1)


def test_a_failing_operation_is_retried_and_its_error_told(engine):
    script = "from cloudify import ctx\nraise ValueError('no luck')\n"
    engine.deploy("luck", script_nodes(1, script, max_retries=1, retry_interval=0))

    end = engine.run("luck", "install")

    assert end["status"] == "failed"
    assert "no luck" in end["error"]
    assert engine.events(end["id"])["task_failed"] == 3  # two tries and the subgraph


def test_resume_runs_what_failed_and_nothing_else(engine, note):
    script = (
        "import os\nfrom cloudify import ctx\n"
        f"open({str(note)!r}, 'a').write(ctx.node.id + '\\n')\n"
        "from cloudify.exceptions import NonRecoverableError\n"
        f"if ctx.node.id == 'n0' and not os.path.exists({str(note) + '.ok'!r}):\n"
        "    raise NonRecoverableError('not yet')\n"
    )
    engine.deploy("again", script_nodes(2, script))
    end = engine.run("again", "install")
    assert end["status"] == "failed", end

    Path(f"{note}.ok").touch()
    engine.act(end["id"], "resume")
    end = engine.end_of(end["id"])

    assert end["status"] == "terminated", end
    assert Counter(note.read_text().split()) == {"n0": 2, "n1": 1}


@pytest.mark.parametrize(
    ("name", "script", "words"),
    [
        ("crash", "import os\nos.kill(os.getpid(), 11)\n", "SIGSEGV"),
        ("vanish", "import os\nos._exit(7)\n", "exit status 7"),
    ],
)
def test_an_operation_that_crashes_fails_alone(engine, name, script, words):
    engine.deploy(name, script_nodes(1, script))

    end = engine.run(name, "install")

    assert end["status"] == "failed"
    assert words in end["error"]


def test_an_operation_that_takes_too_long_is_ended(engine, note, runtime):
    engine.deploy(
        "late",
        script_nodes(1, HANG.format(note=str(note)), timeout=1, timeout_recoverable="false"),
    )

    end = engine.run("late", "install")

    assert end["status"] == "failed"
    assert "timeout of 1" in end["error"]
    wait_until_no_task_runs(runtime)


def test_a_killed_execution_takes_its_operations_with_it(engine, note, runtime):
    engine.deploy("killed", script_nodes(1, HANG.format(note=str(note))))
    execution = engine.start("killed", "install")
    wait_for(note, 1)

    engine.act(execution, "kill")
    end = engine.end_of(execution, timeout_s=20)

    assert end["status"] == "cancelled"
    wait_until_no_task_runs(runtime)


@pytest.mark.parametrize("action", ["cancel", "force-cancel"])
def test_an_execution_that_is_cancelled_ends(engine, note, action):
    name = f"stopped-{action}"
    engine.deploy(name, script_nodes(2, HANG.format(note=str(note))))
    execution = engine.start(name, "install")
    wait_for(note, 1)

    engine.act(execution, action)

    assert engine.end_of(execution, timeout_s=30)["status"] == "cancelled"


def test_a_dry_run_touches_nothing(engine, note, runtime):
    engine.deploy("dry", script_nodes(1, f"open({str(note)!r}, 'a')\n"))

    end = engine.run("dry", "install", dry_run=True)

    assert end["status"] == "terminated", end
    assert not note.exists()
    (instance,) = runtime.call("GET", "/node-instances?deployment_id=dry")["items"]
    assert instance["state"] == "uninitialized"


def test_a_worker_that_dies_loses_nothing(engine, note, runtime):
    """Scripts say nothing of being repeatable: those that were cut off fail, a resume runs them."""
    engine.deploy("survivor", script_nodes(30, SLOW.format(note=str(note))))
    execution = engine.start("survivor", "install")
    wait_until_answered(engine, execution, 2)

    runtime.worker.kill()
    answered = [each["id"] for each in engine.operations(execution) if each["state"] in ANSWERED]
    runtime.start_worker()
    end = engine.end_of(execution)
    assert end["status"] == "failed", end
    assert "not resumable" in end["error"]
    engine.act(execution, "resume")
    end = engine.end_of(execution)

    assert end["status"] == "terminated", end
    ends = Counter(line for line in note.read_text().splitlines() if line.startswith("end"))
    assert len(ends) == 30
    assert [ends[f"end {each}"] for each in answered] == [1] * len(answered)
    assert {each["state"] for each in engine.operations(execution)} == {"succeeded"}
    assert engine.events(execution)["task_succeeded"] == 60  # 30 operations, 30 subgraphs


def test_a_worker_that_stops_lets_operations_end_and_the_next_goes_on(engine, note, runtime):
    engine.deploy("handover", script_nodes(6, SLOW.format(note=str(note))))
    execution = engine.start("handover", "install")
    wait_for(note, 1)

    runtime.worker.stop()
    assert engine.execution(execution)["status"] == "started"
    runtime.start_worker()
    end = engine.end_of(execution)

    assert end["status"] == "terminated", end
    assert all(count == 1 for count in Counter(note.read_text().splitlines()).values())


def test_a_broker_that_restarts_costs_nothing(engine, note, runtime):
    """Its messages come again while the worker still runs what they are about."""
    engine.deploy("broker", script_nodes(8, SLOW.format(note=str(note))))
    execution = engine.start("broker", "install")
    wait_for(note, 2)

    runtime.broker.stop()
    runtime.broker.begin()
    runtime.broker.wait()
    end = engine.end_of(execution)

    assert end["status"] == "terminated", end
    assert all(count == 1 for count in Counter(note.read_text().splitlines()).values())


def test_scripts_do_not_see_the_brokers_password(engine, note, runtime):
    script = f"#!/bin/sh\nenv > {note}\n"
    engine.deploy("env", script_nodes(1, script, name="s.sh"))

    end = engine.run("env", "install")

    assert end["status"] == "terminated", end
    environment = note.read_text()
    assert "loopback-only" not in environment
    assert f"MANAGER_NAME=manager-1{os.linesep}" in environment
