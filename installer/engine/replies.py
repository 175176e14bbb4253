"""Read what a node answered: results for the runner, problems for a person, secrets masked."""

import logging
from collections.abc import Mapping
from typing import Any

from installer.engine.changes import StageDifference, Verb
from installer.engine.outcome import TIMED_OUT, Applied, GateResult
from installer.errors import Problem
from installer.secrets import Secret
from installer.state import Gate, Step

logger = logging.getLogger(__name__)


def applied_of(node: str, change: StageDifference, before: tuple[str, ...]) -> Applied:
    """Return what applying did: what came `before`, and the rest but for deferred restarts."""
    deferred = {str(entry) for entry in change.units if entry.is_deferred}
    lines = (*before, *(line for line in change.data_lines() if line not in deferred))
    for line in lines:
        logger.info("%s: %s", node, line)
    now = [entry for entry in change.units if not entry.is_deferred]
    again = (Verb.RESTART, Verb.RELOAD)
    return Applied(
        stage=change.stage.name,
        changes=lines,
        restarted=tuple(entry.unit.name for entry in now if entry.verb in again),
        started=tuple(entry.unit.name for entry in now if entry.verb is Verb.START),
        deferred_restarts=tuple(e.unit.name for e in change.units if e.is_deferred),
    )


def masked(text: str, secrets: Mapping[str, Secret]) -> str:
    """Return the text with every secret value replaced."""
    for secret in secrets.values():
        if secret.reveal():
            text = text.replace(secret.reveal(), "********")
    return text


def gate_result(node: str, gate: Gate, told: Mapping[str, Any]) -> GateResult:
    """Return a gate's answer; one that is neither passed nor deferred is a problem."""
    output = masked(told["output"], gate.secrets)
    problem = None
    if not told["passed"] and not told["deferred"]:
        seen = output.strip() or f"exit {told['code']}"
        unit = gate.units[0] if gate.units else None
        look = f"`journalctl -u {unit} -n 50`" if unit else "the host's journal"
        if told["hopeless"]:
            ended = f"given up after {told['seconds']:.0f} s, for waiting cannot cure it"
        else:
            ended = f"not reached in {told['seconds']:.0f} s"
        problem = Problem(
            where=node,
            what=f"{ended}: {gate.name}; last seen: {seen[-500:]}",
            remedy=f"look at {look} on {node}, then run again",
        )
    return GateResult(
        gate=gate.name,
        passed=told["passed"],
        deferred=told["deferred"],
        output=output,
        seconds=told["seconds"],
        problem=problem,
    )


def step_problem(node: str, step: Step, told: Mapping[str, Any], output: str) -> Problem:
    """Return why a step failed, with its last words."""
    last = " / ".join(output.strip().splitlines()[-6:]) or "no output"
    if told["outcome"] == "not held":
        what = f"“{step.name}” ran, but what it establishes does not hold: {last}"
    elif told["code"] == TIMED_OUT:
        what = f"“{step.name}” did not end within {step.timeout_s} s: {last}"
    else:
        what = f"“{step.name}” failed with exit {told['code']}: {last}"
    return Problem(where=node, what=what, remedy="remove the cause and run again")
