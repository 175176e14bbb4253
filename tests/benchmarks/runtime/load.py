"""Measures of the REST service: load by wrk on gunicorn itself, as the original was measured."""

import base64
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.runtime.bench import Bench
from tests.journeys.operator import BLUEPRINTS
from tests.support.runtime import ADMIN, ADMIN_PASSWORD

_SECONDS = 5
_PAIR_SECONDS = 1
_PAIRS = 10
_MANY = 16
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_POST = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    rate: float  # requests a second
    median_ms: float


def status_rate(bench: Bench) -> float:
    """Return GET status per second, 16 at a time, with basic authentication."""
    return _load(bench, "/status", _basic(), connections=_MANY).rate


def deployments_median(bench: Bench) -> float:
    """Return the median milliseconds of GET deployments that shows 1,000."""
    _fill(bench, 1000)
    reply = bench.runtime.call("GET", "/deployments")
    assert len(reply["items"]) == 1000
    return _load(bench, "/deployments", _basic(), connections=1).median_ms


def events_rate(bench: Bench) -> float:
    """Return POST events (one each) per second, 16 at a time, with a token."""
    script = bench.folder / "events.lua"
    body = _event(bench)
    bench.runtime.call("POST", "/events", json=json.loads(body))  # says why, if it is refused
    script.write_text(_POST.format(body=body))
    return _load(bench, "/events", _token(bench), connections=_MANY, script=script).rate


def basic_by_token(bench: Bench) -> float:
    """Return how many GET version a CPU second answers with basic authentication, by a token's.

    Short loads of the two alternate, and CPU time is counted: whatever else the machine does meets
    both alike.
    """
    logins = [_basic(), _token(bench)]
    for login in logins:  # the first password is hashed, the first connections log in
        _cpu_per_request(bench, login)
    ratios = []
    for number in range(_PAIRS):
        in_turn = logins if number % 2 else logins[::-1]
        cost = {login: _cpu_per_request(bench, login) for login in in_turn}
        ratios.append(cost[logins[1]] / cost[logins[0]])
    return median(ratios)


def everything(bench: Bench) -> None:
    """Load the service with each request for a while: afterwards its memory is looked at."""
    for path, login in (("/status", _basic()), ("/deployments", _token(bench))):
        _load(bench, path, login, connections=_MANY)


def _cpu_per_request(bench: Bench, login: str) -> float:
    _load(bench, "/version", login, connections=_MANY, seconds=_PAIR_SECONDS)
    span = bench.spans[-1]
    return (span.parts["rest"] + span.parts["postgresql"]) / span.requests


def _load(
    bench: Bench,
    path: str,
    login: str,
    *,
    connections: int,
    script: Path | None = None,
    seconds: int = _SECONDS,
) -> Load:
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    words += ["-H", login, "-H", "Tenant: default_tenant"]
    words += ["-s", str(script)] if script else []
    with bench.span() as span:
        shown = subprocess.run(
            [*words, bench.runtime.direct_url + path], check=True, capture_output=True, text=True
        ).stdout
    assert "Non-2xx" not in shown, shown
    assert "Socket errors" not in shown, shown
    rate = re.search(r"Requests/sec:\s+([\d.]+)", shown)
    middle = re.search(r"50%\s+([\d.]+)(us|ms|s)", shown)
    answered = re.search(r"(\d+) requests in", shown)
    assert rate, shown
    assert middle, shown
    assert answered, shown
    span.requests = int(answered[1])  # nginx, which counts the others, has not seen them
    return Load(float(rate[1]), float(middle[1]) * _UNITS[middle[2]])


def _basic() -> str:
    words = base64.b64encode(f"{ADMIN}:{ADMIN_PASSWORD}".encode()).decode()
    return f"Authorization: Basic {words}"


def _token(bench: Bench) -> str:
    return f"Authentication-Token: {bench.runtime.call('POST', '/tokens', json={})['value']}"


def _event(bench: Bench) -> str:
    """Return a request's body: one event of an execution that is there."""
    deployment = bench.create(bench.upload(BLUEPRINTS / "hello" / "blueprint.yaml"))
    (execution,) = bench.runtime.call("GET", f"/executions?deployment_id={deployment}")["items"]
    event = {
        "event_type": "workflow_node_event",
        "type": "cloudify_event",
        "context": {"execution_id": execution["id"], "deployment_id": deployment},
        "message": {"text": "measured", "arguments": None},
        "timestamp": "2026-01-01T00:00:00.000Z",
        "message_code": None,
    }
    whole = {"events": [event], "logs": None, "execution_id": execution["id"]}
    return json.dumps({**whole, "agent_name": None, "manager_name": "manager-1"})


def _fill(bench: Bench, count: int) -> None:
    """Bring the deployments to a number by copies of one: what is measured is the list."""
    deployment = bench.create(bench.upload(BLUEPRINTS / "hello" / "blueprint.yaml"))
    here = bench.database.execute("SELECT count(*) FROM deployments").fetchone()
    assert here is not None
    names = bench.database.execute(
        "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
        " WHERE table_name = 'deployments' AND column_name NOT IN ('key', 'id')"
        " AND is_generated = 'NEVER'"
    ).fetchone()
    assert names is not None
    copy = (
        f"INSERT INTO deployments (id, {names[0]}) SELECT 'copy-' || number, {names[0]}"
        " FROM deployments, generate_series(1, %s) number WHERE id = %s"
    )
    bench.database.execute(copy.encode(), (max(0, count - here[0]), deployment))
    bench.database.execute("ANALYZE deployments")
