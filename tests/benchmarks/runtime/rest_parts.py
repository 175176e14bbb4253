"""Measure what workflows ask most of the REST service: CPU time in one process, by resource.

    python -m tests.benchmarks.runtime.rest_parts

The client is Flask's own, in the same process, and a PostgreSQL server is started beside it; so a
figure holds the client's part too, and no waiting for other programs. The budgets are the issue's.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from manager.rest.app import create_app
from manager.services.bootstrap import BootstrapSecrets, bootstrap
from manager.storage.database import Database
from manager.storage.schema import upgrade_schema
from tests.support.broker import RememberedPublisher
from tests.support.deployments import add_blueprint, make_deployment, node
from tests.support.manager_app import ADMIN, Api, manager_settings
from tests.support.postgres_server import make_server, remove_server

_OPERATION = {
    "plugin": "script",
    "operation": "script_runner.tasks.run",
    "executor": "central_deployment_agent",
    "inputs": {"script_path": "scripts/create.sh"},
    "has_intrinsic_functions": False,
    "max_retries": None,
    "retry_interval": None,
    "timeout": None,
    "timeout_recoverable": None,
}
_OPERATIONS = {f"cloudify.interfaces.lifecycle.step_{number}": _OPERATION for number in range(40)}
_COPY = """
INSERT INTO deployments (id, {columns})
SELECT 'copy-' || number, {columns} FROM deployments, generate_series(1, {count}) number
WHERE id = 'd1'
"""


def main() -> int:
    """Print a line for each resource; return how many miss their budget."""
    server = make_server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            certificate = Path(folder) / "ca.crt"
            certificate.write_text("none")
            settings = manager_settings(server.create_database("measured"), certificate)
            with closing(Database(settings.database)) as database:
                upgrade_schema(database.engine)
                with database.session() as session:
                    bootstrap(session, settings, BootstrapSecrets(admin_password=ADMIN[1]))
                api = Api(
                    create_app(settings, publisher=RememberedPublisher()).test_client(), settings
                )
                return _measure(api, database)
    finally:
        remove_server(server)


def _measure(api: Api, database: Database) -> int:
    add_blueprint(database)
    make_deployment(api, database, nodes=[node("web", operations=_OPERATIONS)])
    _copy_deployment(database, 999)
    lines = (
        ("GET 1,000 deployments", 60.0, 10, lambda: api.call("GET", "/deployments")),
        ("GET a node instance", 3.0, 100, lambda: api.call("GET", "/node-instances/web_d1_1")),
        ("PATCH a node instance", 3.0, 100, _writer(api)),
        ("POST 100 nodes and instances", 60.0, 10, _filler(api)),
    )
    return sum(_show(name, budget_ms, _cpu_ms(act, n)) for name, budget_ms, n, act in lines)


def _copy_deployment(database: Database, count: int) -> None:
    names = (
        "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns WHERE"
        " table_name = 'deployments' AND is_generated = 'NEVER'"
        " AND column_name NOT IN ('key', 'id')"
    )
    with database.session() as session:
        columns = session.execute(text(names)).scalar_one()
        session.execute(text(_COPY.format(columns=columns, count=count)))
        session.execute(text("ANALYZE"))


def _writer(api: Api) -> Callable[[], None]:
    version = 1

    def write() -> None:
        nonlocal version
        body = {"version": version, "runtime_properties": {"count": version}}
        reply = api.call("PATCH", "/node-instances/web_d1_1", json=body)
        assert reply.status_code == 200, reply.text
        version = (reply.json or {})["version"]

    return write


def _filler(api: Api) -> Callable[[], None]:
    numbers = iter(range(1, 1000))

    def fill() -> None:
        name = f"copy-{next(numbers)}"
        nodes = [node(f"n{number}", operations=_OPERATIONS) for number in range(100)]
        instances = [{"id": f"{one['id']}_{name}", "node_id": one["id"]} for one in nodes]
        for path, key, items in (
            ("/nodes", "nodes", nodes),
            ("/node-instances", "node_instances", instances),
        ):
            reply = api.call("POST", path, json={"deployment_id": name, key: items})
            assert reply.status_code == 201, reply.text

    return fill


def _cpu_ms(act: Callable[[], object], count: int) -> float:
    act()
    began = time.process_time()
    for _ in range(count):
        act()
    return (time.process_time() - began) * 1000 / count


def _show(name: str, budget_ms: float, cpu_ms: float) -> bool:
    verdict = "met" if cpu_ms <= budget_ms else "NOT MET"
    sys.stdout.write(f"{name:30} {cpu_ms:8.2f} ms CPU  of {budget_ms:g} ms  {verdict}\n")
    return cpu_ms > budget_ms


if __name__ == "__main__":
    sys.exit(main())
