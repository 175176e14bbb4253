"""Which status of an execution may follow which."""

import pytest
from cloudify.models_states import ExecutionState

from manager.services.execution_status import (
    ACTIVE,
    END,
    WAITING,
    Cancellation,
    may_cancel,
    may_report,
)
from manager.services.execution_status import ExecutionStatus as S

CANCELLING = [S.CANCELLING, S.FORCE_CANCELLING, S.KILL_CANCELLING]


def test_the_statuses_are_the_librarys():
    assert sorted(S) == sorted(ExecutionState.STATES)
    assert sorted(ACTIVE) == sorted(ExecutionState.ACTIVE_STATES)
    assert sorted(WAITING) == sorted(ExecutionState.WAITING_STATES)
    assert sorted(END) == sorted(ExecutionState.END_STATES)


@pytest.mark.parametrize("current", sorted(END))
@pytest.mark.parametrize("wanted", list(S))
def test_an_end_is_final(current, wanted):
    assert not may_report(current, wanted)
    assert not any(may_cancel(current, how) for how in Cancellation)


@pytest.mark.parametrize("current", CANCELLING)
def test_a_request_to_cancel_ends_in_an_end_only(current):
    assert {wanted for wanted in S if may_report(current, wanted)} <= END
    assert may_report(current, S.CANCELLED)
    assert may_report(current, S.FAILED)


@pytest.mark.parametrize("current", sorted(WAITING))
def test_no_worker_has_what_waits(current):
    assert {wanted for wanted in S if may_report(current, wanted)} == {S.FAILED, S.CANCELLED}


@pytest.mark.parametrize("current", [S.PENDING, S.STARTED])
def test_a_worker_may_report_any_progress(current):
    assert {wanted for wanted in S if may_report(current, wanted)} == set(S) - WAITING


@pytest.mark.parametrize(
    ("current", "allowed"),
    [
        (S.PENDING, {"cancel", "force-cancel", "kill"}),
        (S.STARTED, {"cancel", "force-cancel", "kill"}),
        (S.CANCELLING, {"force-cancel", "kill"}),
        (S.FORCE_CANCELLING, {"kill"}),
        (S.KILL_CANCELLING, {"kill"}),
    ],
)
def test_cancelling_becomes_more_urgent_only(current, allowed):
    assert {how.value for how in Cancellation if may_cancel(current, how)} == allowed
