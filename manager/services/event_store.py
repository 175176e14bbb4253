"""Store what executions report: events and log lines."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import func, insert, text
from sqlalchemy.orm import Session

from manager.errors import BadParameters
from manager.services.plain_json import without_nul
from manager.storage.models import EVENT, LOG, Event, Execution
from manager.storage.prepared import Prepared

_COLUMNS = """timestamp timestamptz, message text, message_code text, event_type text, level text,
    logger text, operation text, node_id text, source_id text, target_id text, error_causes jsonb,
    kind text"""
_NAMES = ", ".join(column.split()[0] for column in _COLUMNS.split(","))

# One statement takes any number of events. The commit does not wait for the disk and the standbys:
# events are many and a log, and no state that the engine relies on becomes durable before them, for
# a later commit that does wait also writes what came before it.
_INSERT = Prepared(
    text(
        f"""
        INSERT INTO events (tenant_id, creator_id, visibility, execution_key, manager_name,
            agent_name, {_NAMES})
        SELECT x.tenant_id, x.creator_id, x.visibility, x.key, :manager_name, :agent_name,
            {", ".join(f"e.{name}" for name in _NAMES.split(", "))}
        FROM executions AS x,
            (SELECT set_config('synchronous_commit', 'off', true)) AS _,
            ROWS FROM (jsonb_to_recordset(CAST(:events AS jsonb)) AS ({_COLUMNS}))
                WITH ORDINALITY AS e ({_NAMES}, position)
        WHERE x.id = :execution_id AND x.tenant_id = :tenant_id
        ORDER BY e.position
        """  # noqa: S608 - the columns are constants
    )
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Which worker reports: a manager's or an agent's."""

    manager_name: str | None
    agent_name: str | None


def store_events(
    session: Session,
    tenant_id: int,
    execution_id: str,
    rows: Iterable[Mapping[str, Any]],
    sender: Sender,
) -> int:
    """Store rows made by `event_rows`; return how many: none if the execution is unknown."""
    return _INSERT.count(
        session,
        events=orjson.dumps(list(rows)).decode(),
        execution_id=execution_id,
        tenant_id=tenant_id,
        manager_name=sender.manager_name,
        agent_name=sender.agent_name,
    )


def event_rows(events: object, logs: object) -> Iterator[dict[str, Any]]:
    """Yield the rows of a request's events and logs; raises BadParameters for what is neither."""
    for kind, reported in ((EVENT, events), (LOG, logs)):
        if not isinstance(reported, list | None):
            raise BadParameters("`events` and `logs` are lists")
        for item in reported or ():
            yield _row(kind, item)


def write_event(session: Session, execution: Execution, kind: str, **values: Any) -> None:
    """Store an event that the manager itself has to tell of an execution."""
    session.execute(
        insert(Event).values(
            kind=kind,
            tenant_id=execution.tenant_id,
            creator_id=execution.creator_id,
            visibility=execution.visibility,
            execution_key=execution.key,
            timestamp=func.clock_timestamp(),
            **values,
        )
    )


def _row(kind: str, item: object) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise BadParameters("An event or log is not an object")
    context, message = item.get("context") or {}, item.get("message") or {}
    if not isinstance(context, dict) or not isinstance(message, dict):
        raise BadParameters("`context` and `message` of an event are objects")
    return {
        "kind": kind,
        "timestamp": _time(item.get("timestamp")),
        "message": _text(message.get("text")),
        "message_code": _text(item.get("message_code")),
        "event_type": _text(item.get("event_type")),
        "level": _text(item.get("level")),
        "logger": _text(item.get("logger")),
        "operation": _text(context.get("operation") or item.get("operation")),
        "node_id": _text(context.get("node_id")),
        "source_id": _text(context.get("source_id")),
        "target_id": _text(context.get("target_id")),
        "error_causes": _causes(context.get("task_error_causes") or item.get("error_causes")),
    }


def _text(value: object) -> str | None:
    """Return a value as PostgreSQL's text, which has no NUL."""
    if value is None:
        return None
    return str(value).replace("\0", "")


def _causes(value: object) -> list[Any] | None:
    return without_nul(value) if isinstance(value, list) else None


def _time(value: object) -> str:
    """Return the time that the sender gave, in UTC if it named no zone, or now."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else datetime.now(UTC)
    except ValueError as error:
        raise BadParameters(f"timestamp is not an ISO 8601 time: {value!r}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
