"""Back a cluster up, tell what backups there are, and prove that one can be restored."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from installer.actions.backup_nodes import (
    BackupNodes,
    backup_nodes,
    call,
    chosen,
    demand_repository,
)
from installer.actions.backup_parts import DATABASE, part_phases, verify_phases
from installer.actions.install import journaled
from installer.actions.node_phases import NodePhases, quiet
from installer.actions.rollout import RunName, new_run, run_told
from installer.actions.run_log import logged_to
from installer.actions.running import demand_running
from installer.actions.under_way import hold_cluster
from installer.backup.backup_set import BackupSet, BackupType
from installer.backup.settings import WORK
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem, Refused
from installer.expand.check import load_cluster
from installer.inventory import Inventory, runs_folder
from installer.phases import Phase
from installer.report import Report

_EVERYWHERE = "backup/seen by every node"
_VERIFIED = "backup-verified.jsonl"
_SCRATCH = f"{WORK}/verify"
_MOST_DIFFERENCES = 5
_RECENT = timedelta(hours=20)  # of a nightly backup: the one of the night before is older
Plan = Callable[[BackupNodes, NodePhases, str], Iterable[Phase]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a trial restore found, and how long it took."""

    label: str
    node: str
    at: str  # ISO 8601
    seconds: float  # all of it
    files_s: float  # of that the copying
    tables: int
    rows: int


def take_backup(path: Path, kind: BackupType, report: Report) -> BackupSet:
    """Take a backup of a cluster; a killed one leaves nothing that the next does not mend."""
    return _back_up(path, report, functools.partial(_whole, kind))


def complete_backup(path: Path, report: Report) -> BackupSet:
    """Add what the newest backup lacks besides the database; take one where it is a day old."""
    return _back_up(path, report, missing_phases)


def _back_up(path: Path, report: Report, plan: Plan) -> BackupSet:
    inventory = load_cluster(path)
    demand_repository(inventory)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, "cluster backup"), logged_to(folder, "backup"):
        demand_running(inventory)
        with (
            backup_nodes(inventory) as nodes,
            journaled(folder / "backup.jsonl", report) as notify,
        ):
            name = RunName(new_run(), f"Backing up the cluster {inventory.name}")
            primary = _demand_primary(nodes)
            make = NodePhases(engine=nodes.engine, notify=notify, run=name.run)
            run_told(tuple(plan(nodes, make, primary)), notify, name, abort=nodes.engine.close)
            return nodes.sets()[-1]


def _whole(
    kind: BackupType, nodes: BackupNodes, make: NodePhases, primary: str
) -> tuple[Phase, ...]:
    database = _take_phases(nodes, make, primary, kind)
    return (*database, *part_phases(nodes, make, primary, after=(DATABASE,)))


def missing_phases(nodes: BackupNodes, make: NodePhases, primary: str) -> tuple[Phase, ...]:
    """Return the phases that complete the newest backup, or take a whole one."""
    newest = next(iter(nodes.sets()[-1:]), None)
    if newest is None or not newest.is_whole or datetime.now(UTC) - newest.finished > _RECENT:
        return _whole(BackupType.DIFFERENTIAL, nodes, make, primary)
    held = frozenset(part.name for part in newest.parts)
    return tuple(part_phases(nodes, make, primary, held=held))


def list_backups(path: Path) -> tuple[tuple[BackupSet, ...], Mapping[str, Verified]]:
    """Return the backups of a cluster, oldest first, and the last proof of each by label."""
    inventory = load_cluster(path)
    demand_repository(inventory)
    with backup_nodes(inventory) as nodes:
        return nodes.sets(), read_verified(inventory)


def verify_backup(path: Path, label: str | None, node: str | None, report: Report) -> Verified:
    """Restore a backup into a scratch folder, start it and compare its rows; nothing is changed."""
    inventory = load_cluster(path)
    demand_repository(inventory)
    folder = runs_folder(inventory)
    with (
        hold_cluster(inventory, "cluster backup verify"),
        logged_to(folder, "verify"),
        backup_nodes(inventory) as nodes,
        journaled(folder / "verify.jsonl", report) as notify,
    ):
        backup = chosen(nodes.sets(), label)
        place = _place(nodes, node)
        name = RunName(new_run(), f"Restoring {backup.label} into a scratch folder on {place}")
        make = NodePhases(engine=nodes.engine, notify=notify, run=name.run)
        act = functools.partial(_verify, backup, folder / _VERIFIED)
        database = make.phase("verify/database", [place], quiet(act))
        others = [node for node in nodes.databases() if node != place]
        cleared = [make.phase("verify/cleared", others, quiet(_clear))] if others else []
        phases = (*cleared, database, *verify_phases(nodes, make, backup, place))
        run_told(phases, notify, name, abort=nodes.engine.close)
    return read_verified(inventory)[backup.label]


def read_verified(inventory: Inventory) -> dict[str, Verified]:
    """Return the last proof of each backup that was verified from here."""
    path = runs_folder(inventory) / _VERIFIED
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = (Verified(**json.loads(line)) for line in lines if line.endswith("}"))
    return {one.label: one for one in found}


def _take_phases(
    nodes: BackupNodes, make: NodePhases, primary: str, kind: BackupType
) -> Iterator[Phase]:
    def take(session: Session) -> tuple[str, ...]:
        make.note(DATABASE, session.name, f"pgbackrest backup --type={kind}")
        label = json.loads(call(session, "take", "take", kind))["label"]
        return (f"backup {label}",)

    def look(session: Session) -> tuple[str, ...]:
        _demand_same(session, nodes.ask(primary, _held))
        return ()

    yield make.phase(DATABASE, [primary], quiet(take))
    if others := [name for name in nodes.databases() if name != primary]:
        yield make.phase(_EVERYWHERE, others, quiet(look), needs=(DATABASE,))


def _held(session: Session) -> tuple[set[int], set[str]]:
    """Return the databases and the backups of the repository that a node sees.

    Nothing else that it tells stands still: WAL arrives all the time.
    """
    stanzas = json.loads(call(session, "take", "info"))
    databases = {db["system-id"] for stanza in stanzas for db in stanza["db"]}
    return databases, {backup["label"] for stanza in stanzas for backup in stanza["backup"]}


def _demand_same(session: Session, seen: tuple[set[int], set[str]]) -> None:
    """Raise PhaseFailed when a node sees another repository than the primary does."""
    if _held(session) == seen:
        return
    raise PhaseFailed(
        Problem(
            where=session.name,
            what="this node does not see the backups that the primary has written",
            remedy="mount the same export at backup.path on every database node: after a failover "
            "this one would write its WAL elsewhere",
            code="backup-directory-not-shared",
        )
    )


def _demand_primary(nodes: BackupNodes) -> str:
    primary = nodes.primary()
    if primary is None or primary in nodes.silent:
        raise Refused(
            Problem(
                where="database",
                what="no primary answers that could be backed up",
                remedy="`cluster status` tells what is wrong",
                code="backup-without-primary",
            )
        )
    return primary


def _place(nodes: BackupNodes, wanted: str | None) -> str:
    """Return where to verify: on a replica if there is one, so that the primary has peace."""
    names = nodes.databases()
    if wanted is not None:
        if wanted not in names:
            what = f"{wanted} is no database node that answers"
            remedy = f"name one of {', '.join(names)}"
            raise Refused(Problem(where="--node", what=what, remedy=remedy))
        return wanted
    primary = nodes.primary()
    return next((name for name in names if name != primary), names[0])


def _clear(session: Session) -> tuple[str, ...]:
    """Take away what a killed run has left on a node where this one restores nothing."""
    gone = call(session, "recover", "remove", _SCRATCH).splitlines()
    return tuple(f"remove {folder}, which a killed run has left" for folder in gone)


def _verify(backup: BackupSet, record: Path, session: Session) -> tuple[str, ...]:
    try:
        words = ("restore", _SCRATCH, "name", backup.restore_point, backup.label)
        told = json.loads(call(session, "recover", *words))
        demand_rows(session.name, backup, told["rows"])
    finally:
        call(session, "recover", "remove", _SCRATCH)
    proof = Verified(
        label=backup.label,
        node=session.name,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=told["seconds"],
        files_s=told["files_s"],
        tables=len(told["rows"]),
        rows=sum(told["rows"].values()),
    )
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(proof)) + "\n")
    return (f"{proof.rows} rows in {proof.tables} tables after {proof.seconds:.0f} s",)


def demand_rows(node: str, backup: BackupSet, rows: Mapping[str, int]) -> None:
    """Raise PhaseFailed when a restored database has other rows than were counted."""
    tables = sorted(backup.rows.keys() | rows.keys())
    wrong = [t for t in tables if backup.rows.get(t) != rows.get(t)]
    if not wrong:
        return
    told = ", ".join(
        f"{t}: {backup.rows.get(t, 'no table')} counted, {rows.get(t, 'no table')} restored"
        for t in wrong[:_MOST_DIFFERENCES]
    )
    raise PhaseFailed(
        Problem(
            where=node,
            what=f"{backup.label} has other rows than were counted when it was taken: {told}",
            remedy="take a full backup now, and keep this one to look into",
            code="backup-rows-differ",
        )
    )
