"""Whatever keeps the worker from running something, somebody hears of it."""

from types import SimpleNamespace

from manager.worker import operations, workflows

BODY = {
    "cloudify_task": {
        "kwargs": {
            "__cloudify_context": {
                "task_name": "script_runner.tasks.run",
                "task_id": "o1",
                "execution_id": "x1",
                "tenant": {"name": "t"},
            }
        }
    }
}


class Broken:
    """Environments that cannot start a task."""

    def start(self, request):
        raise OSError("no more processes")


def job():
    return SimpleNamespace(key="o1", delivery=SimpleNamespace(body=BODY), is_cancelled=False)


def test_an_operation_that_cannot_be_run_is_answered(caplog):
    reply = operations._run(SimpleNamespace(environments=Broken()), job(), is_repeated=False)

    assert reply["ok"] is False
    assert "no more processes" in reply["error"]["message"]


def test_a_workflow_that_cannot_be_run_has_failed(caplog):
    reason = workflows._run(SimpleNamespace(environments=Broken()), job(), is_resumed=False)

    assert "no more processes" in reason


def test_a_repeated_operation_says_so_to_its_author():
    context = operations._request(job(), is_repeated=True)["context"]

    assert context["resume"] is True
    assert "resume" not in operations._request(job(), is_repeated=False)["context"]
