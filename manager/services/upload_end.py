"""What becomes of a blueprint whose upload ends without a word: its process died, or was killed."""

from cloudify.models_states import BlueprintUploadState as State
from sqlalchemy import case, func, update
from sqlalchemy.orm import Session

from manager.services.execution_status import END, ExecutionStatus
from manager.storage.models import Blueprint, Execution

_FAILURES = {
    State.EXTRACTING: State.FAILED_EXTRACTING,
    State.PARSING: State.FAILED_PARSING,
    State.VALIDATING: State.FAILED_PARSING,
}


def end_upload(session: Session, execution: Execution) -> None:
    """Give the blueprint of an ended upload a state of failure, unless it has an end already.

    Clients wait for one: a blueprint that stays `parsing` would let them wait for ever.
    """
    if execution.status not in END or execution.status == ExecutionStatus.TERMINATED:
        return
    session.execute(
        update(Blueprint)
        .where(
            Blueprint.upload_execution_key == execution.key,
            Blueprint.state.not_in(State.END_STATES),
        )
        .values(
            state=case(_FAILURES, value=Blueprint.state, else_=State.FAILED_UPLOADING),
            error=execution.error or f"The upload was {execution.status}",
            updated_at=func.now(),
        ),
        execution_options={"synchronize_session": False},
    )
