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

_DATABASE, _EXPIRED = "backup/database", "backup/expired"


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
    expire = functools.partial(remove_expired, nodes.ask)
    yield make.phase(_EXPIRED, [primary], quiet(expire), needs=(previous,))


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
    """Bring back every part that a backup holds; return a line for each.

    The first set is the one to restore; a second one is younger, for parts that are better so.
    """
    done = []
    for part, _ in _held(sets[0]):
        backup = next(
            one for one in (*reversed(sets[1:]), sets[0]) if _fits(part, one, is_own=one is sets[0])
        )
        taken = backup.part(part.name)
        assert taken is not None  # noqa: S101 - it fits
        run = _run(nodes, make, "restore/parts", backup, session.name)
        part.restore(run, taken)
        done.append(f"bring back {part.name} of {backup.label}")
    return tuple(done)


def _fits(part: Part, backup: BackupSet, *, is_own: bool) -> bool:
    return backup.part(part.name) is not None and (is_own or part.may_be_younger)


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
