"""What of a node's stages new certificates are about: their files, and who reads them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from installer.actions.rollout import NODE, Part, Survey
from installer.engine.observation import Observation
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
    return _with_files(part, stage, lambda file: bool(_named(file.content, paths)))


def renamed_part(seen: Survey) -> Part:
    """Return what takes along the files that are to name other certificates than they do now.

    Nobody would look for a new one otherwise, and whoever names one that is gone would go on
    showing it. What else waits in other files is an install's business.
    """
    renamed: set[str] = set()
    for node, roles in seen.stages.items():
        if found := {file.path for file in _renaming(roles, seen.observations[node])}:
            # config.yaml names all of them; it is secret, so nobody sees which it names now
            renamed |= found | {f.path for stage in roles.get(NODE, ()) for f in stage.state.files}

    def part(stage: Stage) -> Stage | None:
        found = certificate_part(stage)
        return found and _with_files(found, stage, lambda file: file.path in renamed)

    return part


def _renaming(
    roles: Mapping[str, Sequence[Stage]], observation: Observation
) -> Iterator[ManagedFile]:
    """Yield the files that are to name others, be it of those wanted or of those left over."""
    files = [file for stages in roles.values() for stage in stages for file in stage.state.files]
    wanted = {file.path for file in files if _PEM in file.content}
    folders = {_folder(path) for path in wanted}
    left = {path for path in observation.record("file") if _folder(path) in folders}
    for file in files:
        naming = _named(file.content, wanted | left)
        if naming != _named_now(file, naming, observation, wanted | left):
            yield file


def _named_now(
    file: ManagedFile, naming: set[str], observation: Observation, paths: Collection[str]
) -> set[str]:
    """Return which of the paths a file names on its node; a secret one names those that exist."""
    before = observation.paths.get(file.path)
    if before is None:
        return set()
    if before.text is None:
        return naming & observation.paths.keys()
    return _named(before.text.encode(), paths)


def _named(content: bytes, paths: Collection[str]) -> set[str]:
    return {path for path in paths if path.encode() in content}


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _with_files(part: Stage, stage: Stage, also: Callable[[ManagedFile], bool]) -> Stage:
    files = tuple(file for file in stage.state.files if file in part.state.files or also(file))
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
