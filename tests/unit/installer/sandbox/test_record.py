"""The state file, and who may change it."""

import threading

import pytest

from installer.errors import ConfigError
from installer.sandbox import record
from installer.sandbox.plan import Node, plan_hosts
from installer.sandbox.process import ProcessId
from installer.sandbox.record import Fault, FaultKind, Record


@pytest.fixture(autouse=True)
def sandboxes(tmp_path, monkeypatch):
    monkeypatch.setenv("CFY_MANAGER_SANDBOXES", str(tmp_path / "sandboxes"))
    return tmp_path / "sandboxes"


def a_record(**changes):
    nodes = [
        Node("db-1", {"default": "10.0.0.11", "app": "10.9.0.11"}),
        Node("db-2", {"default": "10.0.0.12"}),
    ]
    values = {
        "name": "demo",
        "suite": "trixie",
        "image": "/images/trixie",
        "plan": plan_hosts(nodes),
        "keeper": ProcessId(17, 4711),
        "supervisors": {"db-1": ProcessId(18, 4712)},
        "faults": (
            Fault(number=1, kind=FaultKind.CUT_PAIR, hosts=("db-1", "db-2")),
            Fault(
                number=2,
                kind=FaultKind.FREEZE,
                hosts=("db-1",),
                detail="etcd",
                watcher=ProcessId(19, 4713),
            ),
        ),
    }
    return Record(**values | changes)


def test_what_is_read_is_what_was_written():
    assert a_record() == record.parse(record.render(a_record()))


def test_a_record_is_found_by_its_name(sandboxes):
    (sandboxes / "demo").mkdir(parents=True)

    record.save(a_record())

    assert record.load("demo") == a_record()
    assert record.recorded_names() == ["demo"]


def test_a_sandbox_that_is_not_up_is_a_problem_that_names_the_others(sandboxes):
    (sandboxes / "demo").mkdir(parents=True)

    with pytest.raises(ConfigError, match=r"sandbox other: is not up \(sandboxes here: demo\)"):
        record.load("other")


def test_a_host_that_is_not_there_is_a_problem_that_names_the_others():
    with pytest.raises(ConfigError, match="has no host 'db-9'") as caught:
        a_record().host("db-9")

    assert "db-1, db-2" in str(caught.value)


def test_two_commands_do_not_change_a_sandbox_together():
    """The second waits, even when the first takes the sandbox and its lock file away."""
    inside, order = threading.Event(), []

    def second():
        inside.wait()
        with record.locked("demo"):
            order.append("second")

    thread = threading.Thread(target=second)
    with record.locked("demo"):
        thread.start()
        inside.set()
        thread.join(0.2)  # long enough for a second one that does not wait
        order.append("first")
    thread.join(5)

    assert order == ["first", "second"]


def test_the_lock_of_a_sandbox_that_is_gone_leaves_no_file(sandboxes):
    with record.locked("demo"):
        pass

    assert list(sandboxes.iterdir()) == []
