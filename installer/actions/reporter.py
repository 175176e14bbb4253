"""The status reporter of this node: configure, show, start, stop, remove, and its tokens."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from installer.actions.installed import STATE, Installed, this_node
from installer.actions.node import node_inputs
from installer.actions.node_mark import hold_node
from installer.actions.on_this_node import on_this_node
from installer.actions.roles import role_stages
from installer.config.model import NodeInputs
from installer.engine.removal import removal
from installer.engine.session import Session
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.reporter.settings import (
    CONFIG_PATH,
    UNIT,
    NodeType,
    ReporterSettings,
    load_settings,
)
from installer.roles.reporter.settings import node_types, reporter_files, reporter_settings
from installer.roles.reporter.state import ReporterFiles, reporter_stages
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
    """Return the tokens by the names of their users, as the manager on this node stores them."""
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
    return {NodeType(kind).reporter_user: token for kind, token in tokens.items()}


def configure_reporter(wanted: Wanted) -> ReporterSettings:
    """Install, or change, the status reporter of this node and start it."""
    inputs = _with_wanted(_inputs_of(this_node((), STATE)), wanted)
    settings = reporter_settings(inputs)
    if settings is None:
        raise ConfigError(_no_token())
    (stage,) = reporter_stages(settings, reporter_files(inputs, settings))
    with hold_node("status-reporter configure"):
        on_this_node(lambda session: _run_stage(session, stage))
    return settings


def _inputs_of(installed: Installed) -> NodeInputs:
    """Return the node's inputs with the services that are here: a reporter watches no others."""
    inputs = node_inputs(installed)
    services = {"services_to_install": list(installed.services)}
    return replace(inputs, config={**inputs.config, **services})


def _with_wanted(inputs: NodeInputs, wanted: Wanted) -> NodeInputs:
    """Return the inputs with the command line's words over the file's."""
    section = {**inputs.config["status_reporter"], **_present()}
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


def _present() -> dict[str, Any]:
    """Return what the reporter of this node is told already, as the section of config.yaml."""
    if not CONFIG_PATH.exists():
        return {}
    settings = load_settings()
    return {
        "tokens": {str(kind): token.reveal() for kind, token in settings.tokens.items()},
        "ca_path": settings.ca_path,
        "managers_ip": list(settings.managers_ips),
        "reporting_freq": settings.reporting_freq,
        "node_id": settings.node_id,
    }


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


def remove_reporter() -> tuple[str, ...]:
    """Take the reporter's service, files and user away; return a line for each thing."""
    load_settings()
    installed = this_node((), STATE)
    inputs = _inputs_of(installed)

    def remove(session: Session) -> tuple[str, ...]:
        roles = role_stages(inputs, session.observe(()).facts)
        others = [s for role, stages in roles.items() if role != "reporter" for s in stages]
        return session.remove(removal(reporter_of(installed.services), others))

    with hold_node("status-reporter remove"):
        return on_this_node(remove)


def reporter_of(services: Sequence[str]) -> tuple[Stage, ...]:
    """Return the stage of this node's reporter as far as it is about these services, if it is."""
    if not CONFIG_PATH.exists():
        return ()
    settings = load_settings()
    kinds = node_types({"services_to_install": services})
    tokens = {kind: token for kind, token in settings.tokens.items() if kind in kinds}
    files = ReporterFiles(
        manager_ca=_content(settings.ca_path),
        node_ca=_content(settings.extra_config["node_ca_path"]),
        client_cert=_content(settings.extra_config["client_cert_path"]),
        client_key=_content(settings.extra_config["client_key_path"]),
    )
    reduced = replace(settings, tokens=tokens, extra_config=_extra(settings, tokens))
    return reporter_stages(reduced, files) if tokens else ()


def _extra(settings: ReporterSettings, tokens: Mapping[NodeType, Secret]) -> dict[str, Any]:
    """Return the further settings, the broker's login only for one who watches a broker."""
    extra = settings.extra_config.items()
    return {k: v for k, v in extra if NodeType.BROKER in tokens or not k.startswith("broker_")}


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


def this_node_id() -> str:
    """Return the id that this node reports under."""
    return load_settings().node_id


def _run_stage(session: Session, stage: Stage) -> None:
    session.apply(stage, session.observe([stage]))
    if stage.gate is not None and (problem := session.await_gate(stage.gate).problem):
        raise PhaseFailed(problem)


def _no_token() -> Problem:
    return Problem(
        where="--token",
        what="the reporter has no token to report with",
        remedy="get it on a manager: `cfy_manager status-reporter get-tokens`",
    )
