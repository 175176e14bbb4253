"""Everything the engine does on one node; each method says how many remote commands it takes."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from installer.engine.agent import Request
from installer.engine.connection import Connection
from installer.engine.diagnosis import (
    DIAGNOSE_S,
    diagnose_request,
    read_diagnosis,
    secrets_of,
    watch_request,
)
from installer.engine.difference import stage_difference
from installer.engine.observation import (
    Observation,
    observe_request,
    read_observation,
    revealed,
)
from installer.engine.outcome import (
    Answers,
    Applied,
    ClockReading,
    Diagnosis,
    GateResult,
    Limits,
    Logs,
    Result,
    StepResult,
)
from installer.engine.removal import Removal
from installer.engine.replies import applied_of, gate_result, masked, step_problem
from installer.engine.requests import (
    APPLY_S,
    INSTALL_S,
    needs_packages_first,
    packages_request,
    state_request,
)
from installer.engine.wire import read_reply
from installer.errors import PhaseFailed, Problem
from installer.secrets import Secret
from installer.state import Gate, Stage, Step

logger = logging.getLogger(__name__)

_OBSERVE_S = 60
_FACTS_S = 60
_JOURNAL_SHARE = 0.7  # of the time for logs; files are quicker
LOGS_S = 400  # the journal of a host with slow disks
_TRIAL_S = 30
_MARGIN_S = 30  # a node ends its scripts itself; this is for what it does around them


class Session:
    """One node, reached over its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.name = connection.target.name
        self.commands = 0  # remote commands so far

    def run(
        self,
        script: str,
        *,
        stdin_secrets: Mapping[str, Secret] | None = None,
        timeout_s: int = 60,
    ) -> Result:
        """Run `script` as root by `sh -eu`, with secrets as environment variables. One command."""
        request = {
            "script": script,
            "secrets": revealed(stdin_secrets or {}),
            "timeout_s": timeout_s,
        }
        return Result(**self._call("script", request, timeout_s))

    def observe(self, stages: Sequence[Stage], *, with_content: bool = False) -> Observation:
        """See all that these stages are about. One command."""
        request = observe_request(stages, with_content=with_content)
        asks_tools = request["packages"] or request["units"] or request["guards"]
        program = "observe" if asks_tools else "observe-paths"
        return read_observation(stages, self._call(program, request, _OBSERVE_S))

    def facts(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what `node/facts.py` finds on the node; nothing is changed there. One command."""
        return dict(self._call("facts", request, _FACTS_S))

    def clock_reading(self) -> ClockReading:
        """Return how far the node's clock is from ours. One command."""
        asked = time.time()
        told = self._call("clock", {}, _FACTS_S)
        answered = time.time()
        return ClockReading(
            offset_s=told - (asked + answered) / 2, uncertainty_s=(answered - asked) / 2
        )

    def apply(self, stage: Stage, observation: Observation) -> Applied:
        """Make the node what the stage's data says. No command when it is, at most two."""
        change = stage_difference(stage, observation)
        done: tuple[str, ...] = ()
        copies: list[tuple[str, str]] = []
        if needs_packages_first(change):
            done = tuple(f"install package {name}" for name in change.packages)
            seen = self._call("packages", packages_request(change), INSTALL_S)
            copies += seen["copies"]
            observation = _looked_again(observation, read_observation([stage], seen))
            change = stage_difference(stage, observation)
        if not change.is_applied:
            request = state_request(change)
            program = "state" if request["units"] or request["users"] else "state-paths"
            copies += self._call(program, request, APPLY_S)
        kept = tuple(f"keep what stood at {path} as {copy}" for path, copy in copies)
        return applied_of(self.name, change, (*done, *kept))

    def remember(self, note: Mapping[str, Mapping[str, str]]) -> None:
        """Record on the node what a person decided: kind → name → state. One command."""
        self._call("writing", {"note": {k: dict(states) for k, states in note.items()}}, APPLY_S)

    def restart(self, unit: str) -> None:
        """Restart a unit; return once its old process is gone. One command."""
        self._call("units", {"restart": [unit]}, APPLY_S)
        logger.info("%s: restarted %s", self.name, unit)

    def replace_packages(
        self, versions: Mapping[str, str], units: Sequence[str], *, may_downgrade: bool = False
    ) -> None:
        """Stop units, and bring packages to these versions; nothing starts them. One command.

        The node notes first that the units are to run, so that what a kill left is put right by
        the next run.
        """
        request = {
            "stop": list(units),
            "packages": [f"{name}={version}" for name, version in sorted(versions.items())],
            "may_downgrade": may_downgrade,
            "timeout_s": INSTALL_S,
        }
        self._call("upgrade", request, INSTALL_S)
        logger.info("%s: stopped %s, packages %s", self.name, units, request["packages"])

    def await_gate(self, gate: Gate, *, alone: bool = False) -> GateResult:
        """Wait on the node until the gate's check passes. One command.

        With `alone` a gate that needs peers may be deferred.
        """
        request = {
            "check": gate.check,
            "secrets": revealed(gate.secrets),
            "timeout_s": gate.timeout_s,
            "longest_s": gate.longest_s,
            "units": gate.units,
            "may_defer": alone and gate.needs_peers,
            "watch": watch_request(gate.units),
        }
        told = self._call("gate", request, max(gate.timeout_s, gate.longest_s))
        return gate_result(self.name, gate, told)

    def run_step(self, step: Step) -> StepResult:
        """Run a step unless its guard holds; raise PhaseFailed if it fails. One command."""
        request = {
            "guard": step.guard,
            "script": step.script,
            "secrets": revealed(step.secrets),
            "timeout_s": step.timeout_s,
        }
        told = self._call("step", request, 2 * step.timeout_s)
        output = masked(told["stdout"] + told["stderr"], step.secrets)
        match told["outcome"]:
            case "held":
                return StepResult(step=step.name, changed=False)
            case "done":
                logger.info("%s: %s", self.name, step.name)
                return StepResult(step=step.name, changed=True, output=output)
        raise PhaseFailed(step_problem(self.name, step, told, output))

    def diagnose(self, stage: Stage, *, since_s: float, said: str) -> Diagnosis:
        """Look for known causes of a failure of this stage, `since_s` ago or less. One command."""
        request = diagnose_request(stage, since_s=since_s, said=said)
        return read_diagnosis(self._call("diagnose", request, DIAGNOSE_S), secrets_of(stage))

    def logs(
        self,
        *,
        since: int,
        folders: Sequence[str],
        limit: int,
        total: int,
        timeout_s: int = LOGS_S,
    ) -> Logs:
        """Return the journal and the log files since a moment; sizes in bytes. One command."""
        request = {
            "since": since,
            "folders": list(folders),
            "limit": limit,
            "total": total,
            "journal_s": _JOURNAL_SHARE * timeout_s,
        }
        told = self._call("logs", request, timeout_s)
        return Logs(texts=tuple(told["texts"]), cut=tuple(told["cut"]))

    def support(
        self, questions: Sequence[tuple[str, str, float]], files: Sequence[str], limits: Limits
    ) -> Answers:
        """Return what the node answers, and its configuration files. One command.

        A question is its name, shell text and the seconds it may take; `files` are patterns.
        """
        request = {
            "questions": list(questions),
            "files": list(files),
            "limit": limits.file_bytes,
            "total": limits.all_files_bytes,
            "limit_s": limits.seconds,
        }
        told = self._call("support", request, limits.seconds)
        return Answers(
            texts=tuple(told["texts"]), cut=tuple(told["cut"]), failed=tuple(told["failed"])
        )

    def remove(self, removal: Removal) -> tuple[str, ...]:
        """Take stages away from the node and return a line for each thing that went. One command.

        What a killed one left is done by the next.
        """
        lines = tuple(self._call("removal", removal.request(), INSTALL_S))
        for line in lines:
            logger.info("%s: %s", self.name, line)
        return lines

    def listen(self, request: dict[str, Any]) -> dict[int, str]:
        """Open ports for a trial, and return each one's state. One command."""
        return dict(self._call("listen", request, _TRIAL_S, margin_s=0))

    def connect(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """Try connections from this node, all at once. One command."""
        return list(self._call("connect", request, _TRIAL_S, margin_s=0))

    def handshakes(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """Look which certificates ports show, all at once; nothing is changed. One command."""
        return list(self._call("handshake", request, _TRIAL_S))

    def end_listening(self, token: str) -> list[Any]:
        """Close the ports of a trial, and return who was refused there. One command."""
        return list(self._call("listen-end", {"token": token}, _TRIAL_S, margin_s=0))

    def _call(
        self,
        program: str,
        request: dict[str, Any],
        timeout_s: float,
        *,
        margin_s: int | None = None,
    ) -> Any:
        """Run a program on the node. Raises NodeUnreachable, or PhaseFailed with what it tells."""
        limit_s = int(timeout_s) + (_MARGIN_S if margin_s is None else margin_s)
        self.commands += 1
        said = self._connection.execute(Request(program, request, limit_s))
        reply = read_reply(self.name, *said)
        if isinstance(reply, Problem):
            raise PhaseFailed(reply)
        return reply


def _looked_again(observation: Observation, seen: Observation) -> Observation:
    """Return the observation with what was seen since; what is gone since is gone."""
    state = seen.stages[0].state
    looked_at = {file.path for file in state.files} | {d.path for d in state.directories}
    looked_at |= set(state.absent)
    kept = {path: fact for path, fact in observation.paths.items() if path not in looked_at}
    return replace(
        observation,
        paths=kept | dict(seen.paths),
        users={**observation.users, **seen.users},
        packages={**observation.packages, **seen.packages},
        units={**observation.units, **seen.units},
        pending=seen.pending,
        written=seen.written,
        leftovers=seen.leftovers,
    )
