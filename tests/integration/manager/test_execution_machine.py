"""Any order of what users and workers do to executions keeps what must hold of them."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text

from manager.errors import RequestError
from manager.services.execution_actions import cancel_execution, resume_execution
from manager.services.execution_errors import ExistingRunningExecution
from manager.services.execution_status import ACTIVE, END, Cancellation, may_report
from manager.services.execution_status import ExecutionStatus as S
from manager.storage.models import Execution
from tests.support.execution_world import World

pytestmark = pytest.mark.integration

NAMES = ("a", "b")
REPORTS = (S.STARTED, S.TERMINATED, S.FAILED, S.CANCELLED)


class Executions(RuleBasedStateMachine):
    """The executions of two deployments; each run begins with nothing else in the database."""

    world: World
    keys = Bundle("keys")

    def __init__(self):
        super().__init__()
        with self.world.database.session() as session:
            session.execute(text("TRUNCATE blueprints, deployments, executions CASCADE"))
        self.world.deploy(*NAMES)
        self.world.publisher.taken.clear()
        self.ended = {}

    @rule(target=keys, name=st.sampled_from(NAMES), queue=st.booleans())
    def start(self, name, queue):
        busy = any(
            execution.deployment_key == self.world.deployment(name).key
            and (execution.status in ACTIVE or execution.status == S.QUEUED)
            for execution in self.executions()
        )
        if busy and not queue:
            with pytest.raises(ExistingRunningExecution):
                self.world.start(name)
            return 0
        return self.world.start(name, queue=queue)

    @rule(key=keys, status=st.sampled_from(REPORTS))
    def report(self, key, status):
        self.attempt(key, lambda before: may_report(before, status), self.world.report, status)

    @rule(key=keys, how=st.sampled_from(Cancellation))
    def cancel(self, key, how):
        def act(key):
            self.world.act(cancel_execution, key, how)

        self.attempt(key, lambda before: before not in END, act, may_refuse=True)

    @rule(key=consumes(keys), force=st.booleans())
    def resume(self, key, force):
        def act(key):
            self.world.act(resume_execution, key, force=force)
            self.ended.pop(key, None)

        self.attempt(key, lambda before: before != S.TERMINATED, act, may_refuse=True)

    def attempt(self, key, allows, act, *arguments, may_refuse=False):
        if not key:
            return
        before = S(*self.world.status(key))
        try:
            act(key, *arguments)
        except RequestError:
            assert may_refuse or not allows(before)
            assert self.world.status(key) == [before]
        else:
            assert allows(before)

    def executions(self):
        with self.world.database.session() as session:
            return session.scalars(select(Execution).order_by(Execution.key)).all()

    @invariant()
    def a_deployment_runs_one_at_a_time(self):
        active = [e.deployment_key for e in self.executions() if e.status in ACTIVE]
        assert len(active) == len(set(active))

    @invariant()
    def nothing_waits_without_a_reason(self):
        active = {e.deployment_key for e in self.executions() if e.status in ACTIVE}
        waiting = {e.deployment_key for e in self.executions() if e.status == S.QUEUED}
        assert waiting <= active

    @invariant()
    def an_end_has_its_time_and_stays(self):
        for execution in self.executions():
            assert (execution.ended_at is not None) == (execution.status in END)
            if execution.status in END:
                known = self.ended.setdefault(execution.key, execution.status)
                assert known == execution.status

    @invariant()
    def whatever_is_active_was_sent_with_its_token(self):
        for execution in self.executions():
            if execution.status in ACTIVE:
                assert execution.dispatched_at is not None
                assert execution.id in self.world.publisher.tokens


def test_executions_keep_their_rules(database, publisher):
    world = World(database, publisher)
    run_state_machine_as_test(
        type("OfThisDatabase", (Executions,), {"world": world}),
        settings=settings(
            max_examples=8,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
