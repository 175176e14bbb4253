"""The phases of a backup's parts besides the database."""

import functools
import json
from collections.abc import Iterator

from installer.actions.backup_nodes import BackupNodes, call
from installer.actions.node_phases import NodePhases, quiet
from installer.backup.backup_set import BackupSet, PartTaken, note_of, read_sets, with_parts
from installer.backup.parts import Part, PartRun
from installer.backup.registry import PARTS
from installer.backup.stores import RepositoryStore
from installer.engine.session import Session
from installer.errors import PhaseFailed
from installer.phases import Phase
from installer.secrets import Secret

_DATABASE = "backup/database"


def part_phases(nodes: BackupNodes, make: NodePhases, primary: str) -> Iterator[Phase]:
    """Yield a phase for each part that this cluster has, one after the other."""
    previous = _DATABASE
    for part in PARTS:
        if not part.concerns(nodes.inventory):
            continue
        phase = f"backup/{part.name}"
        act = functools.partial(_take, nodes, make, phase, part)
        yield make.phase(phase, [primary], quiet(act), needs=(previous,))
        previous = phase


def restore_parts(
    nodes: BackupNodes, make: NodePhases, backup: BackupSet, session: Session
) -> tuple[str, ...]:
    """Bring back every part that a backup holds; return a line for each."""
    done = []
    for part, taken in _held(backup):
        run = _run(nodes, make, "restore/parts", backup, session.name)
        part.restore(run, taken)
        done.append(f"bring back {part.name}")
    return tuple(done)


def part_problems(
    nodes: BackupNodes, make: NodePhases, backup: BackupSet, session: Session
) -> tuple[str, ...]:
    """Raise PhaseFailed with what of a backup's parts could not be restored."""
    held = list(_held(backup))
    run = _run(nodes, make, "verify/parts", backup, session.name)
    problems = [problem for part, taken in held for problem in part.verify(run, taken)]
    if problems:
        raise PhaseFailed(*problems)
    return tuple(f"{part.name} can be restored" for part, _ in held)


def _held(backup: BackupSet) -> Iterator[tuple[Part, PartTaken]]:
    for part in PARTS:
        if taken := backup.part(part.name):
            yield part, taken


def _take(
    nodes: BackupNodes, make: NodePhases, phase: str, part: Part, session: Session
) -> tuple[str, ...]:
    """Take a part, and note it with the backup."""
    backup = read_sets(info := call(session, "take", "info"))[-1]
    taken = part.take(_run(nodes, make, phase, backup, session.name))
    (note,) = (
        note_of(b) for s in json.loads(info) for b in s["backup"] if b["label"] == backup.label
    )
    text = Secret(json.dumps(with_parts(note, [taken])))
    call(session, "take", "note", backup.label, secrets={"NOTE": text})
    return (f"keep {part.name}",)


def _run(nodes: BackupNodes, make: NodePhases, phase: str, backup: BackupSet, node: str) -> PartRun:
    return PartRun(
        inventory=nodes.inventory,
        backup=backup,
        store=RepositoryStore(nodes.ask, node),
        tell=functools.partial(make.note, phase, node),
        ask=nodes.ask,
    )
