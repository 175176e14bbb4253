"""What measures work with: a running manager, the genuine REST client, and a clock."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from cloudify_rest_client import CloudifyClient

from tests.support.runtime import ADMIN, ADMIN_PASSWORD, DATABASE, Runtime
from tests.support.web_server import CLIENT_PORT

_FAILED = ("failed", "failed_uploading", "failed_extracting", "failed_parsing", "invalid")
_ENDED = {"executions": "terminated", "blueprints": "uploaded"}
_COLUMNS = {"executions": "status", "blueprints": "state"}


@dataclass
class Span:
    """A stretch of work: how long it took, and whose CPU it was."""

    wall_s: float = 0.0
    own_cpu_s: float = 0.0
    requests: int = 0  # that nginx answered
    others_share: float = 0.0  # of the machine's CPU time, used by what is not the manager
    parts: dict[str, float] = field(default_factory=dict)  # CPU seconds of each program


@dataclass
class Bench:
    """A manager to measure, and the person who gives it work."""

    runtime: Runtime
    folder: Path
    spans: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = CloudifyClient(
            host=self.runtime.address,
            port=CLIENT_PORT,
            protocol="https",
            cert=str(self.runtime.ca),
            username=ADMIN,
            password=ADMIN_PASSWORD,
            tenant="default_tenant",
        )
        self.database = psycopg.connect(self.runtime.database.dsn(DATABASE), autocommit=True)

    @contextmanager
    def span(self) -> Iterator[Span]:
        """Time what happens inside."""
        span, before, machine = Span(), self.runtime.weights(), _machine_cpu()
        requests, began = self.runtime.web.requests(), time.monotonic()
        yield span
        span.wall_s = time.monotonic() - began
        span.requests = self.runtime.web.requests() - requests
        after = self.runtime.weights()
        span.parts = {name: after[name].cpu_s - before[name].cpu_s for name in after}
        span.own_cpu_s = sum(span.parts.values())
        busy, total = (now - then for now, then in zip(_machine_cpu(), machine, strict=True))
        span.others_share = max(0.0, busy - span.own_cpu_s) / total if total else 0.0
        self.spans.append(span)

    def upload(self, path: Path) -> str:
        """Upload a blueprint and return its id when it is parsed."""
        blueprint = f"b{uuid.uuid4().hex}"
        self.client.blueprints.upload(str(path), blueprint, async_upload=True)
        self.wait("blueprints", blueprint)
        return blueprint

    def create(self, blueprint: str) -> str:
        """Create a deployment and return its id when its environment is made."""
        deployment = self.begin_create(blueprint)
        self.wait_for_workflows([deployment])
        return deployment

    def begin_create(self, blueprint: str) -> str:
        """Ask for a deployment and return its id."""
        deployment = f"d{uuid.uuid4().hex}"
        self.client.deployments.create(blueprint, deployment)
        return deployment

    def execute(self, deployment: str, workflow: str) -> None:
        """Run a workflow to its end."""
        self.wait("executions", self.begin(deployment, workflow))

    def begin(self, deployment: str, workflow: str) -> str:
        """Start a workflow and return its execution's id."""
        return str(self.client.executions.start(deployment, workflow)["id"])

    def wait(self, table: str, *ids: str, timeout_s: float = 300) -> None:
        """Wait until the rows say that their work has ended well; asks the database, not REST."""
        column = _COLUMNS[table]
        query = f"SELECT id, {column} FROM {table} WHERE id = ANY(%s) AND {column} <> %s"
        self._wait(lambda: self._rows(query, list(ids), _ENDED[table]), timeout_s)

    def wait_for_workflows(self, deployments: Sequence[str], timeout_s: float = 300) -> None:
        """Wait until nothing runs on the deployments."""
        query = (
            "SELECT e.id, e.status FROM executions e JOIN deployments d ON d.key = e.deployment_key"
            " WHERE d.id = ANY(%s) AND e.status <> %s"
        )
        self._wait(lambda: self._rows(query, list(deployments), "terminated"), timeout_s)

    def _rows(self, query: str, *values: object) -> list[tuple[str, str]]:
        return self.database.execute(query.encode(), values).fetchall()

    def _wait(self, unfinished: Callable[[], list[tuple[str, str]]], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while rows := unfinished():
            assert not [row for row in rows if row[1] in _FAILED], rows
            assert time.monotonic() < deadline, rows
            time.sleep(0.01)

    def close(self) -> None:
        """End the connection to the database."""
        self.database.close()


def _machine_cpu() -> tuple[float, float]:
    """Return seconds that the machine's processors were busy, and all of their seconds."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / 100, sum(ticks) / 100
