"""Run a system workflow in its task process: with a database session, without the REST service."""

import logging
import traceback
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from manager import VERSION
from manager.broker.publish import ConfirmedPublisher
from manager.services.dispatch import connect_outlet
from manager.services.event_store import write_event
from manager.services.execution_errors import InvalidExecutionStatus
from manager.services.execution_life import finish
from manager.services.execution_status import ExecutionStatus
from manager.settings import settings_path
from manager.settings_file import load_settings
from manager.storage.database import Database
from manager.storage.models import EVENT, Execution
from manager.system_workflows import SYSTEM_WORKFLOWS
from manager.system_workflows.context import SystemContext
from manager.types import render
from manager.worker.claims import Reference, find_execution

logger = logging.getLogger(__name__)


def run(context: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Run the workflow that the message names, and write its events and its end."""
    settings = load_settings(settings_path())
    with closing(Database(settings.database, connections=2)) as database:
        connect_outlet(database, ConfirmedPublisher(settings.rabbitmq))
        with database.session() as session:
            execution = _begin(session, Reference.of(context))
        if execution is None:
            return
        try:
            workflow = SYSTEM_WORKFLOWS[context["task_name"]]
            given = SystemContext(
                settings=settings,
                database=database,
                execution=execution,
                token=context.get("execution_token") or "",
            )
            workflow(given, **parameters)
        except Exception as error:
            logger.info("%s: %s", context["task_name"], error, exc_info=True)
            _fail(database, execution, error)
        else:
            _succeed(database, execution)


def publish_types(resources: str) -> None:
    """Write types.yaml where blueprints import it from: each manager has its version's own."""
    render.publish_types(Path(resources), VERSION)


def _begin(session: Session, reference: Reference) -> Execution | None:
    execution = find_execution(session, reference)
    if execution is None:
        return None
    try:
        finish(session, execution.key, ExecutionStatus.STARTED)
    except InvalidExecutionStatus:  # it was cancelled meanwhile: the worker writes that
        return None
    action = "Resuming" if execution.resume else "Starting"
    _tell(session, execution, "workflow_started", f"{action} '{{}}' workflow execution")
    session.flush()
    session.refresh(execution)
    session.expunge(execution)
    return execution


def _succeed(database: Database, execution: Execution) -> None:
    with database.session() as session:
        if _is_gone(session, execution):  # the deletion of a deployment takes its own execution
            return
        _tell(session, execution, "workflow_succeeded", "'{}' workflow execution succeeded")
        finish(session, execution.key, ExecutionStatus.TERMINATED)


def _fail(database: Database, execution: Execution, error: Exception) -> None:
    with database.session() as session:
        if _is_gone(session, execution):
            return
        message = f"'{{}}' workflow execution failed: {error}"
        _tell(session, execution, "workflow_failed", message)
        finish(session, execution.key, ExecutionStatus.FAILED, traceback.format_exc())


def _is_gone(session: Session, execution: Execution) -> bool:
    return session.get(Execution, execution.key) is None


def _tell(session: Session, execution: Execution, event_type: str, message: str) -> None:
    text = message.replace("{}", execution.workflow_id, 1)
    write_event(session, execution, EVENT, event_type=event_type, message=text)
