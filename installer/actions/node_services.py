"""Start and stop the services of this node in the order in which they need each other."""

import shlex
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum

from installer.actions.cause import with_cause
from installer.actions.halt import rests
from installer.actions.installed import STATE, this_node
from installer.actions.node import LOGS, node_inputs
from installer.actions.node_mark import hold_node
from installer.actions.on_this_node import on_this_node
from installer.actions.roles import SERVICES, role_stages
from installer.actions.run_log import logged_to
from installer.engine.session import Session
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.state import Stage, UnitTarget

_REPORTER = "reporter"
_STOP_S = 300  # a database writes its checkpoint first


class ServiceVerb(StrEnum):
    """What is done with services."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


def control_services(verb: ServiceVerb, services: Sequence[str] = ()) -> tuple[str, ...]:
    """Start, stop or restart services of this node, by default all; return a line for each unit.

    A restart stops all of them, then starts them; a start waits until each answers.
    """
    installed = this_node((), STATE, check_files=False)
    if problems := [
        _not_here(s, installed.services) for s in services if s not in installed.services
    ]:
        raise ConfigError(*problems)
    inputs = node_inputs(installed)

    def act(session: Session) -> tuple[str, ...]:
        roles = role_stages(inputs, session.observe(()).facts)
        wanted = {SERVICES[s] for s in services} or {*roles}
        stages = [stage for role, found in roles.items() if role in wanted for stage in found]
        stopped = _stop(session, stages) if verb is not ServiceVerb.START else ()
        started = _start(session, stages) if verb is not ServiceVerb.STOP else ()
        return (*stopped, *started)

    with hold_node(verb), logged_to(LOGS, verb):
        return on_this_node(act)


def _not_here(service: str, services: Sequence[str]) -> Problem:
    return Problem(
        where=service,
        what="this service is not installed here",
        remedy=f"name one or more of: {', '.join(services)}",
    )


def _stop(session: Session, stages: Sequence[Stage]) -> tuple[str, ...]:
    """Stop what runs, the last first; a unit stays enabled, for the next boot. One command each."""
    lines = []
    for unit in reversed([unit for stage in stages for unit in _units(stage)]):
        word = shlex.quote(unit)
        script = f"if {rests(unit)}; then exit 0; fi\nsystemctl stop {word}; echo done"
        lines.append(f"stop {unit}" if _ask(session, unit, script) else f"{unit} did not run")
    return tuple(lines)


def _start(session: Session, stages: Sequence[Stage]) -> tuple[str, ...]:
    """Start stage by stage, each once the one before answers."""
    lines: list[str] = []
    for stage in stages:
        began, units = time.monotonic(), _units(stage)
        for unit in units:
            word = shlex.quote(unit)
            script = (
                f"if systemctl is-active --quiet {word}; then exit 0; fi\n"
                f"systemctl reset-failed {word} 2>/dev/null || true\n"
                f"systemctl start --no-block {word}; echo done"
            )
            begun = _ask(session, unit, script)
            lines.append(f"start {unit}" if begun else f"{unit} runs already")
        if units and stage.gate is not None:
            lines.append(_await(session, stage, began))
    return tuple(lines)


def _await(session: Session, stage: Stage, began: float) -> str:
    assert stage.gate is not None  # noqa: S101 - asked by the caller
    result = session.await_gate(stage.gate, alone=True)
    if result.problem is not None:
        raise PhaseFailed(with_cause(session, stage, result.problem, began=began))
    if result.deferred:
        return f"its peers are still missing: {stage.gate.name}"
    return f"{stage.gate.name}, after {result.seconds:.1f} s"


def _units(stage: Stage) -> list[str]:
    return list(dict.fromkeys(_running(stage)))


def _running(stage: Stage) -> Iterator[str]:
    for unit in stage.state.units:
        if unit.target is UnitTarget.RUNNING:
            yield unit.name


def _ask(session: Session, unit: str, script: str) -> bool:
    """Return whether the script had something to do; raises PhaseFailed with systemd's words."""
    done = session.run(script, timeout_s=_STOP_S)
    if done.code != 0:
        what = done.stderr.strip()[-500:] or f"no end within {_STOP_S} s"
        remedy = f"see `systemctl status {unit}` and `journalctl -u {unit} -n 50`"
        raise PhaseFailed(Problem(where=unit, what=what, remedy=remedy))
    return bool(done.stdout.strip())
