"""What of a node's stages new certificates are about: their files, and who reads them."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from installer.actions.rollout import NODE, Part, Survey
from installer.errors import Problem
from installer.pki.listing import facts_or_none
from installer.state import ManagedFile, NodeState, Stage, UnitTarget

_PEM = b"-----BEGIN "
_KEY = b"PRIVATE KEY-----"


def certificate_part(stage: Stage) -> Stage | None:
    """Return the files of a stage that hold certificates or keys, and its units that run.

    A unit that does not run is started: after an expiry many have given up.
    """
    part = trust_part(stage)
    return part if part is not None and part.state.files else None


def trust_part(stage: Stage) -> Stage | None:
    """Return the same, and the units of further stages: they restart for another CA."""
    files = tuple(file for file in stage.state.files if _PEM in file.content)
    units = tuple(unit for unit in stage.state.units if unit.target is UnitTarget.RUNNING)
    if not files and not units:
        return None
    return Stage(name=stage.name, after=stage.after, state=NodeState(files=files, units=units))


def naming_part(stage: Stage) -> Stage | None:
    """Return the same, with the files that name one of those: a configuration tells where it is."""
    part = certificate_part(stage)
    if part is None:
        return None
    paths = {file.path for file in part.state.files}
    return _with_files_naming(part, stage, paths)


def newly_named_part(seen: Survey) -> Part:
    """Return what takes along those only that name a file which a node does not have yet.

    Nobody would look for it otherwise. What else waits in other files is an install's business.
    """
    new = {
        file.path
        for node, roles in seen.stages.items()
        for stages in roles.values()
        for stage in stages
        for file in stage.state.files
        if _PEM in file.content and file.path not in seen.observations[node].paths
    }

    def part(stage: Stage) -> Stage | None:
        found = certificate_part(stage)
        return found and _with_files_naming(found, stage, new)

    return part


def _with_files_naming(part: Stage, stage: Stage, paths: Collection[str]) -> Stage:
    files = tuple(
        file
        for file in stage.state.files
        if file in part.state.files or any(path.encode() in file.content for path in paths)
    )
    return replace(part, state=replace(part.state, files=files))


def gate_part(stage: Stage) -> Stage | None:
    """Return what proves that a stage's services work, without anything to change."""
    return None if stage.gate is None else replace(stage, state=NodeState(), steps=())


def trust_problems(seen: Survey) -> Iterator[Problem]:
    """Yield each node whose services trust another CA than they would then.

    What only lies there for people, below the pseudo role of every node, is no service's.
    """
    for node, difference in seen.differences().items():
        for stage in difference.stages:
            if stage.stage.name.startswith(f"{NODE}/"):
                continue
            for change in stage.files:
                if change.before and not change.is_rights_only and _is_trust(change.file):
                    yield _problem(node, change.file.path)


def _is_trust(file: ManagedFile) -> bool:
    if _KEY in file.content:
        return False
    facts = facts_or_none(file.content)
    return facts is not None and facts.is_authority


def _problem(node: str, path: str) -> Problem:
    return Problem(
        where=f"{node}: {path}",
        what="the node trusts another CA than this file is to hold",
        remedy="put the old CA back; a change of the CA needs both trusted for a while",
        code="certificate-authority-differs",
    )
