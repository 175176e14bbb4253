"""What a guard says that no run could reach ends a run before it begins."""

from typing import cast

import pytest

from installer.actions.options import RunOptions
from installer.actions.rollout import Survey, roll_out
from installer.engine.engine import Engine
from installer.engine.observation import GuardFact, Observation
from installer.errors import PreflightError
from installer.state import REFUSED


def survey(*guards: GuardFact) -> Survey:
    observation = Observation(guards={str(n): guard for n, guard in enumerate(guards)})
    return Survey(engine=cast(Engine, None), stages={}, observations={"queue-1": observation})


def test_a_refusal_is_told_with_its_remedy_before_any_change():
    seen = survey(GuardFact(0), GuardFact(1), GuardFact(REFUSED, "two cookies\nstop them first\n"))
    events = []

    with pytest.raises(PreflightError) as refused:
        roll_out(seen, RunOptions(), events.append)

    (problem,) = refused.value.problems
    assert (problem.where, problem.what) == ("queue-1", "two cookies")
    assert problem.remedy == "stop them first"
    assert events == []


def test_guards_that_merely_do_not_hold_refuse_nothing():
    assert survey(GuardFact(0), GuardFact(1), GuardFact(75)).refusals() == []
