"""Ask a node why a service of a stage does not answer."""

import time

from installer.actions.explained import explained
from installer.engine.session import Session
from installer.errors import Problem
from installer.state import Stage

_AROUND_S = 5.0  # a service may have failed just before


def with_cause(session: Session, stage: Stage, problem: Problem, *, began: float) -> Problem:
    """Return a stage's problem with its cause, looked for since `began`, a monotonic time."""
    since_s = time.monotonic() - began + _AROUND_S
    diagnosis = session.diagnose(stage, since_s=since_s, said=problem.what)
    return explained(session.name, problem, diagnosis)
