"""What one node gives for a support bundle: answers, configuration, logs, its own drift."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from installer.actions.installed import STATE, Installed, this_node
from installer.actions.known_secrets import node_masker
from installer.actions.logs import LogWish
from installer.actions.node import local_job, node_inputs
from installer.actions.rollout import NodeJob, surveyed
from installer.actions.versions import own_version, versions_on
from installer.engine.engine import Engine
from installer.engine.outcome import Limits
from installer.engine.session import Session
from installer.engine.target import Target
from installer.errors import InstallerError
from installer.inventory import Role
from installer.support.contents import Bundled, Contents, reason_of
from installer.support.questions import FILES, Question, questions_for

_KB = 1024
_FILE_BYTES = 512 * _KB
_ALL_FILES_BYTES = 16 * _KB * _KB


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportWish:
    """Which logs, and how long each node may take over its answers, and then over its logs."""

    logs: LogWish
    timeout_s: int = 120


def bundle_node(wish: SupportWish, target: Path) -> Bundled:
    """Write the archive of this node."""
    installed = this_node((), STATE, check_files=False)
    contents = Contents(own_version())
    name = installed.config["manager"]["hostname"] or "this-node"
    with Engine([Target(name=name)]) as engine:
        contents.problems += engine.connect().values()
        for part, found in node_parts(engine.session(name), _questions(installed), wish, contents):
            contents.texts.append((f"{name}/{part}", found))
        contents.take(
            "plan-and-drift.json", lambda: plan_and_drift(engine, [_job(installed, name)])
        )
    return contents.write(target, node_masker(installed))


def _questions(installed: Installed) -> list[Question]:
    config = installed.config
    roles = [role for role in Role if f"{role}_service" in installed.services]
    database = config["postgresql_client"]["cloudify_db_name"]
    return [*questions_for(roles, address=config["manager"]["private_ip"], database=database)]


def _job(installed: Installed, name: str) -> NodeJob:
    """Return the work on this host, by the name under which the engine knows it."""
    job = local_job(node_inputs(installed))
    return replace(job, inputs=replace(job.inputs, name=name))


def node_parts(
    session: Session, questions: Sequence[Question], wish: SupportWish, contents: Contents
) -> list[tuple[str, bytes]]:
    """Return what a node answers, has and wrote, by name; what it has not goes to `contents`.

    Three commands; one that fails does not end the others.
    """
    limits = Limits(
        seconds=wish.timeout_s, file_bytes=_FILE_BYTES, all_files_bytes=_ALL_FILES_BYTES
    )
    parts: list[tuple[str, bytes]] = []

    def attempt(what: str, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except InstallerError as error:
            contents.failed.append(f"{session.name}/{what}: {reason_of(error)}")
            return None

    if answers := attempt("answers", lambda: session.support(questions, FILES, limits)):
        parts += answers.texts
        contents.failed += [f"{session.name}/{name}: {why}" for name, why in answers.failed]
        contents.cut += [f"{session.name}/{name}" for name in answers.cut]
    if versions := attempt("versions.txt", lambda: versions_on(session)):
        lines = "".join(f"{each.program} {each.version}\n" for each in versions)
        parts.append(("versions.txt", lines.encode()))
    if logs := attempt("logs", lambda: wish.logs.of(session, wish.timeout_s)):
        parts += [(f"logs/{name}", text) for name, text in logs.texts]
        contents.cut += [f"{session.name}/logs/{name}" for name in logs.cut]
    return parts


def plan_and_drift(engine: Engine, jobs: Iterable[NodeJob]) -> str:
    """Return as JSON what a run would change on each node, and what is not as the last left it."""
    seen = surveyed(engine, [*jobs])
    drifts, differences = seen.drifts(), seen.differences()
    told = {
        node: {
            "would change": list(differences[node].lines()),
            "drift": [one.as_json() for one in drifts[node]],
        }
        for node in seen.stages
    }
    return json.dumps(told, indent=1)
