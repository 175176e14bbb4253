"""The phases of a backup's parts besides the database."""

import functools
import json
from collections.abc import Iterator, Sequence

from installer.actions.backup_nodes import BackupNodes, call
from installer.actions.node_phases import NodePhases, quiet
from installer.backup.backup_set import BackupSet, PartTaken, note_of, read_sets, with_parts
from installer.backup.parts import Ask, Part, PartRun
from installer.backup.registry import PARTS
from installer.backup.stores import RepositoryStore
from installer.engine.session import Session
from installer.errors import PhaseFailed
from installer.phases import Phase
from installer.secrets import Secret

DATABASE = "backup/database"
_EXPIRED = "backup/expired"
_NONE: frozenset[str] = frozenset()


def part_phases(
    nodes: BackupNodes,
    make: NodePhases,
    primary: str,
    *,
    after: tuple[str, ...] = (),
    held: frozenset[str] = _NONE,
) -> Iterator[Phase]:
    """Yield a phase for each part that this cluster has and the backup lacks, in their order."""
    previous = after
    for part in PARTS:
        if part.name in held or not part.concerns(nodes.inventory):
            continue
        phase = f"backup/{part.name}"
        act = functools.partial(_take, nodes, make, phase, part)
        yield make.phase(phase, [primary], quiet(act), needs=previous)
        previous = (phase,)
    expire = functools.partial(remove_expired, nodes.ask)
    yield make.phase(_EXPIRED, [primary], quiet(expire), needs=previous)


def remove_expired(ask: Ask, session: Session) -> tuple[str, ...]:
    """Remove the parts of backups that pgBackRest has removed; return a line for each."""
    held = {backup.label for backup in read_sets(call(session, "take", "info"))}
    store = RepositoryStore(ask, session.name)
    gone = sorted(store.labels() - held)
    for label in gone:
        store.remove(label)
    return tuple(f"remove the parts of {label}, which has expired" for label in gone)


def restore_parts(
    nodes: BackupNodes, make: NodePhases, sets: Sequence[BackupSet], session: Session
) -> tuple[str, ...]:
    """Bring back every part that there is; return a line for each.

    `sets` begins with the backup to restore. Those after it are younger and older ones, the
    nearest first: for parts that are better younger, and where the backup itself has none.
    """
    done = []
    for part in PARTS:
        backup = source_of(part, sets)
        taken = backup.part(part.name) if backup else None
        if backup is None or taken is None or not part.concerns(nodes.inventory):
            continue
        run = _run(nodes, make, "restore/parts", backup, session.name)
        if backup.finished < sets[0].finished:
            run.tell(f"{part.name} of {backup.label}, which is older than {sets[0].label}")
        part.restore(run, taken)
        done.append(f"bring back {part.name} of {backup.label}")
    return tuple(done)


def source_of(part: Part, sets: Sequence[BackupSet]) -> BackupSet | None:
    """Return the backup whose files of a part fit best; None where none has any."""
    own, others = sets[0], sets[1:]
    younger = [one for one in others if part.may_be_younger and one.finished > own.finished]
    older = [one for one in others if one.finished < own.finished]
    found = (one for one in (*younger, own, *older) if one.part(part.name))
    return next(found, None)


def verify_phases(
    nodes: BackupNodes, make: NodePhases, backup: BackupSet, node: str
) -> Iterator[Phase]:
    """Yield a phase for each part of a backup: what is wrong with one hides no other."""
    for part, taken in _held(backup):
        phase = f"verify/{part.name}"
        run = _run(nodes, make, phase, backup, node)
        act = functools.partial(_demand_whole, part, taken, run)
        yield make.phase(phase, [node], quiet(act))


def _demand_whole(part: Part, taken: PartTaken, run: PartRun, _: Session) -> tuple[str, ...]:
    """Raise PhaseFailed with what of a part could not be restored."""
    if problems := tuple(part.verify(run, taken)):
        raise PhaseFailed(*problems)
    return (f"{part.name} can be restored",)


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
