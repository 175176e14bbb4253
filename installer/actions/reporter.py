"""The status reporter of this node: configure, show, start, stop, remove, and its tokens."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from installer.actions.node import CONFIG, STATE, node_inputs
from installer.config.check import load_config
from installer.config.model import NodeInputs
from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.engine.target import Target
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.lock import hold_lock
from installer.reporter.settings import (
    CONFIG_PATH,
    HOME,
    UNIT,
    ReporterSettings,
    load_settings,
)
from installer.roles.reporter.settings import reporter_files, reporter_settings
from installer.roles.reporter.state import reporter_stages
from installer.secrets import Secret
from installer.state import Stage

_MANAGER = ("/opt/manager/env/bin/python", "-m", "manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `configure` was told; None leaves a value as it is."""

    token: Secret | None = None
    ca_path: Path | None = None
    managers_ip: tuple[str, ...] = ()
    reporting_freq: int | None = None


def reporter_tokens() -> Mapping[str, str]:
    """Return the token of each reporter user, as the manager on this node stores them."""
    if not Path(_MANAGER[0]).exists():
        raise ConfigError(
            Problem(
                where=_MANAGER[0],
                what="this node runs no manager, and only managers know the tokens",
                remedy="run `cfy_manager status-reporter get-tokens` on a manager",
            )
        )
    output = subprocess.run([*_MANAGER, "tokens", "--json"], capture_output=True, check=True)
    tokens: Mapping[str, str] = json.loads(output.stdout)
    return tokens


def configure_reporter(wanted: Wanted, paths: Sequence[Path] = (CONFIG,)) -> ReporterSettings:
    """Install, or change, the status reporter of this node and start it."""
    inputs = _with_wanted(node_inputs(load_config(paths, {})), wanted)
    settings = reporter_settings(inputs)
    if settings is None:
        raise ConfigError(_no_token())
    (stage,) = reporter_stages(settings, reporter_files(inputs, settings))
    with hold_lock(STATE / "lock", "status-reporter configure"):
        _apply(lambda session: _run_stage(session, stage))
    return settings


def _with_wanted(inputs: NodeInputs, wanted: Wanted) -> NodeInputs:
    """Return the inputs with the command line's words over the file's."""
    section = dict(inputs.config["status_reporter"])
    if wanted.token is not None:
        section["token"] = wanted.token.reveal()
        section["tokens"] = {}
    if wanted.ca_path is not None:
        section["ca_path"] = str(wanted.ca_path)
    if wanted.managers_ip:
        section["managers_ip"] = list(wanted.managers_ip)
    if wanted.reporting_freq is not None:
        section["reporting_freq"] = wanted.reporting_freq
    return replace(inputs, config={**inputs.config, "status_reporter": section})


def show_reporter() -> dict[str, Any]:
    """Return the reporter's configuration, its tokens masked."""
    document = load_settings().to_document()
    return document | {"tokens": dict.fromkeys(document["tokens"], "********")}


def control_reporter(verb: str) -> None:
    """Start or stop the reporter's service; raises PhaseFailed with systemd's words."""
    load_settings()
    done = subprocess.run(["systemctl", verb, UNIT], capture_output=True, text=True)
    if done.returncode:
        raise PhaseFailed(
            Problem(where=UNIT, what=done.stderr.strip(), remedy=f"look at `journalctl -u {UNIT}`")
        )


def remove_reporter() -> None:
    """Take the reporter's service, files and user away."""
    load_settings()
    user = CONFIG_PATH.owner()
    script = (
        f"systemctl disable --now {UNIT}\n"
        f"rm -rf {HOME} /etc/systemd/system/{UNIT}\n"
        f"systemctl daemon-reload\nuserdel {user}"
    )
    _apply(lambda session: _demand_success(session, script))


def this_node_id() -> str:
    """Return the id that this node reports under."""
    return load_settings().node_id


def _apply(act: Callable[[Session], None]) -> None:
    with Engine([Target(name="this node")]) as engine:
        engine.connect()
        (outcome,) = engine.on_each(["this node"], act).values()
    if outcome.error is not None:
        raise PhaseFailed(outcome.error)


def _run_stage(session: Session, stage: Stage) -> None:
    session.apply(stage, session.observe([stage]))
    if stage.gate is not None and (problem := session.await_gate(stage.gate).problem):
        raise PhaseFailed(problem)


def _demand_success(session: Session, script: str) -> None:
    result = session.run(script)
    if result.code:
        problem = Problem(where=UNIT, what=result.stderr.strip(), remedy="mend it and run again")
        raise PhaseFailed(problem)


def _no_token() -> Problem:
    return Problem(
        where="--token",
        what="the reporter has no token to report with",
        remedy="get it on a manager: `cfy_manager status-reporter get-tokens`",
    )
