"""What the requests of a running workflow cost the REST service: CPU of the process, per request.

usage: python -m tests.benchmarks.runtime.handlers [REQUESTS]

Each request is handed to the WSGI application in this process, with a PostgreSQL of its own beside
it, so the figures hold on a busy machine. The original's (gunicorn, CPU per request): POST events
41 ms, GET deployments 65 ms.
"""

import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from flask import Flask
from werkzeug.test import EnvironBuilder

from manager.rest.app import create_app
from manager.services.bootstrap import BootstrapSecrets, bootstrap
from manager.services.executions import WantedWorkflow, start_workflow
from manager.storage.database import Database
from manager.storage.schema import upgrade_schema
from tests.support.broker import RememberedPublisher
from tests.support.manager_app import manager_settings
from tests.support.postgres_server import make_server, remove_server
from tests.support.workflows import admin, make_deployment, make_instance

_BUDGET_MS = 3.0
_GRAPH_BUDGET_MS = 60.0
_NODES, _OPERATIONS_EACH = 100, 8


@dataclass
class Bench:
    """The service with one started execution, and what calls it."""

    app: Flask
    token: str
    execution_id: str

    def call(self, method: str, path: str, body: Any = None) -> tuple[float, float, Any]:
        """Return the CPU and the wall time of a request in milliseconds, and the reply."""
        environ = EnvironBuilder(
            f"/api/v3.1{path.partition('?')[0]}",
            method=method,
            query_string=path.partition("?")[2],
            data=None if body is None else orjson.dumps(body),
            content_type="application/json",
            headers=[("Tenant", "default_tenant"), ("Execution-Token", self.token)],
        ).get_environ()
        said: list[str] = []
        began, cpu = time.perf_counter(), time.thread_time()
        reply = b"".join(self.app(environ, lambda status, *_: said.append(status)))  # type: ignore[arg-type]
        cpu_ms = (time.thread_time() - cpu) * 1000
        wall_ms = (time.perf_counter() - began) * 1000
        if not said[0].startswith("2"):
            raise RuntimeError(f"{method} {path}: {said[0]} {reply[:300]!r}")
        return cpu_ms, wall_ms, orjson.loads(reply) if reply else None

    def store_graph(self, count: int) -> tuple[float, float, list[str]]:
        """Store a graph of `count` operations."""
        operations = [_operation(number) for number in range(count)]
        body = {"name": str(uuid.uuid4()), "execution_id": self.execution_id}
        body["operations"] = operations  # type: ignore[assignment]
        cpu_ms, wall_ms, _ = self.call("POST", "/tasks_graphs/tasks_graphs", body)
        return cpu_ms, wall_ms, [operation["id"] for operation in operations]


@contextmanager
def bench() -> Iterator[Bench]:
    """Serve one started execution from a fresh database."""
    server = make_server()
    with tempfile.TemporaryDirectory() as directory:
        ca = Path(directory) / "ca.crt"
        ca.write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
        try:
            settings = manager_settings(server.create_database("bench"), ca)
            database = Database(settings.database)
            upgrade_schema(database.engine)
            with database.session() as session:
                bootstrap(session, settings, BootstrapSecrets(admin_password="admin"))
            publisher = RememberedPublisher()
            app = create_app(settings, publisher=publisher)
            database.outlet = app.extensions["manager"].database.outlet
            execution_id = _start(database)
            yield Bench(app, publisher.tokens[execution_id], execution_id)
            database.close()
            app.extensions["manager"].database.close()
        finally:
            remove_server(server)


def _start(database: Database) -> str:
    with database.session() as session:
        deployment = make_deployment(session)
        for number in range(_NODES):
            make_instance(session, deployment, f"vm{number}")
        wanted = WantedWorkflow(workflow_id="install")
        return start_workflow(session, admin(session), deployment, wanted).id


def _operation(number: int) -> dict[str, Any]:
    context = {
        "type": "operation",
        "task_name": "script_runner.tasks.run",
        "node_id": f"d1_vm{number % _NODES}_abc123",
        "node_name": f"vm{number % _NODES}",
        "operation": {"name": "cloudify.interfaces.lifecycle.create", "retry_number": 0},
        "plugin": {"name": "script", "package_name": None, "properties": {}},
        "workflow_parameters": {"type_names": [], "node_ids": [], "node_instance_ids": []},
    }
    return {
        "id": str(uuid.uuid4()),
        "name": "script_runner.tasks.run",
        "state": "pending",
        "type": "RemoteWorkflowTask",
        "dependencies": [str(uuid.uuid4()) for _ in range(3)],
        "parameters": {
            "current_retries": 0,
            "total_retries": 60,
            "task_kwargs": {"kwargs": {"script_path": "x", "__cloudify_context": context}},
        },
    }


def _event(execution_id: str) -> dict[str, Any]:
    event = {
        "event_type": "task_started",
        "context": {"execution_id": execution_id, "node_id": "d1_vm1_abc123"},
        "message": {"text": "Task started 'script_runner.tasks.run'", "arguments": None},
        "timestamp": "2026-11-20T23:35:07.412Z",
        "type": "cloudify_event",
    }
    return {"events": [event], "logs": None, "manager_name": "m1", "execution_id": execution_id}


def _report(name: str, budget_ms: float, cases: list[tuple[float, float]]) -> bool:
    cpu, wall = ([case[side] for case in cases] for side in (0, 1))
    mean, median = statistics.fmean(cpu), statistics.median(wall)
    verdict = "ok" if mean <= budget_ms else f"over its budget of {budget_ms:g} ms"
    sys.stdout.write(
        f"{name:32} {mean:7.2f} ms CPU {median:8.2f} ms median {len(cases):6} requests  {verdict}\n"
    )
    return mean <= budget_ms


def main(words: list[str]) -> int:
    """Measure and print every request; 1 when one is over its budget."""
    count = int(words[0]) if words else 500
    with bench() as served:
        path = f"/executions/{served.execution_id}"
        *_, operations = served.store_graph(count)
        requests: dict[str, Callable[[int], tuple[str, str, Any]]] = {
            "GET execution, its status": lambda _: ("GET", f"{path}?_include=status", None),
            "GET execution": lambda _: ("GET", path, None),
            "PATCH execution": lambda _: ("PATCH", path, {"status": "started"}),
            "PATCH operation, sent": lambda n: _patch(operations[n], "sent"),
            "PATCH operation, started": lambda n: _patch(operations[n], "started"),
            "PATCH operation, succeeded": lambda n: _patch(operations[n], "succeeded"),
            "POST one event": lambda _: ("POST", "/events", _event(served.execution_id)),
            "GET operation": lambda n: ("GET", f"/operations/{operations[n]}", None),
        }
        verdicts = []
        for name, request in requests.items():
            served.call(*request(0))
            cases = [served.call(*request(number))[:2] for number in range(count)]
            verdicts.append(_report(name, _BUDGET_MS, cases))
        total = _NODES * _OPERATIONS_EACH
        graphs = [served.store_graph(total)[:2] for _ in range(5)]
        verdicts.append(_report(f"POST graph of {total} operations", _GRAPH_BUDGET_MS, graphs))
    return 0 if all(verdicts) else 1


def _patch(operation_id: str, state: str) -> tuple[str, str, Any]:
    return "PATCH", f"/operations/{operation_id}", {"state": state, "manager_name": "m1"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
