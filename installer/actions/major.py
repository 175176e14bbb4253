"""Change PostgreSQL's major version of a cluster, go back, and remove what was before."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from installer.actions.backup import take_backup
from installer.actions.backup_nodes import demand_repository
from installer.actions.install import journaled
from installer.actions.major_record import (
    MajorRecord,
    forget_major,
    keep_major,
    load_major,
    under_way,
)
from installer.actions.major_rules import (
    inventory_problems,
    look_at_nodes,
    node_problems,
    pause_problem,
    standing_problems,
)
from installer.actions.major_sides import Side, named_major
from installer.actions.major_work import JOURNAL, LOG, sides, switch_between, working
from installer.actions.node_mark import unmark
from installer.actions.options import RunOptions
from installer.actions.rollout import roll_out, survey
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.transfer import send_bundle
from installer.actions.under_way import MAJOR_UPGRADE, hold_cluster
from installer.backup.backup_set import BackupType
from installer.engine.engine import Engine
from installer.errors import PhaseFailed, Problem, Refused
from installer.expand.check import load_cluster
from installer.inventory import Inventory, runs_folder
from installer.report import Report
from installer.status.model import Part
from installer.status.seen import look_around


@dataclass(frozen=True, slots=True, kw_only=True)
class MajorRequest:
    """What the operator asked."""

    wanted: int
    without_backup: bool = False
    interrupt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What a run did; no time where nothing had to stop."""

    before: int
    now: int
    stood_still_s: float | None = None


def plan_postgresql(path: Path, wanted: int) -> tuple[int, tuple[Problem, ...]]:
    """Return the version that runs, and what speaks against another; nothing is changed."""
    inventory = load_cluster(path)
    record = load_major(runs_folder(inventory))
    if record is not None and record.is_under_way:
        raise Refused(under_way(f"--postgresql {wanted}", record))
    with sides(inventory, wanted) as (engine, old, new):
        if old.major == new.major:
            return old.major, ()
        return old.major, tuple(_problems(inventory, engine, old, new))


def upgrade_postgresql(path: Path, request: MajorRequest, report: Report) -> Upgraded:
    """Bring the data to another major version; a killed run is gone on with by the next.

    Raises Refused before any change when it cannot be done, or when nobody accepted the pause.
    """
    folder = runs_folder(load_cluster(path))
    record = load_major(folder)
    if record is None or not record.is_under_way:
        begun = _begin(path, request, report)
        if begun is None:
            return Upgraded(before=request.wanted, now=request.wanted)
        if not request.without_backup:
            label = take_backup(path, BackupType.DIFFERENTIAL, report).label
            report.tell(f"The backup {label} is what was before the upgrade.")
        record = keep_major(folder, begun)
    _demand_same(record, request.wanted)
    if not record.opened:
        record = _convert(path, record, report)
    _converge(path, report, f"Starting the managers on PostgreSQL {record.wanted}")
    stood_still_s = _seconds_since(record.stopped)
    record = keep_major(folder, replace(record, is_finished=True))
    if _has_repository(load_cluster(path)):
        label = take_backup(path, BackupType.FULL, report).label
        report.tell(f"The backup {label} is the first one of PostgreSQL {record.wanted}.")
    return Upgraded(before=record.before, now=record.wanted, stood_still_s=stood_still_s)


def roll_back_postgresql(path: Path, report: Report, *, lose_writes: bool) -> Upgraded:
    """Let the data before the last change run again, as they were when the managers stopped.

    Raises Refused where there is no way back, or where writes would be lost that nobody gave up.
    """
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    record = _demand_way_back(load_major(folder), lose_writes=lose_writes)
    began = time.monotonic()
    title = f"Going back to PostgreSQL {record.before}"
    with working(inventory, record, record.before, report, title) as (switch, go):
        if problems := switch.no_way_back():
            raise Refused(*problems)
        keep_major(folder, replace(record, is_finished=False, opened=""))
        go(switch.back())
    _converge(path, report, f"Starting the managers on PostgreSQL {record.before}")
    forget_major(folder)
    took_s = time.monotonic() - began
    return Upgraded(before=record.wanted, now=record.before, stood_still_s=took_s)


def remove_old_postgresql(path: Path, report: Report) -> Upgraded:
    """Remove the data and packages of the version before the last change: no way leads back."""
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    record = load_major(folder)
    if record is None or record.is_under_way:
        what = "no upgrade of PostgreSQL was finished from here: there is nothing old to remove"
        remedy = "finish it first: cfy_manager cluster upgrade --postgresql MAJOR"
        raise Refused(Problem(where="--remove-old", what=what, remedy=remedy, code="no-way-back"))
    title = f"Removing PostgreSQL {record.before}"
    with working(inventory, record, record.wanted, report, title) as (switch, go):
        go(switch.clean())
    forget_major(folder)
    return Upgraded(before=record.before, now=record.wanted)


def _begin(path: Path, request: MajorRequest, report: Report) -> MajorRecord | None:
    """Refuse what cannot be; bring the packages, and let pg_upgrade try: None if all is done."""
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    with (
        hold_cluster(inventory, MAJOR_UPGRADE),
        logged_to(folder, LOG),
        sides(inventory, request.wanted) as (engine, old, new),
    ):
        if old.major == new.major:
            return None
        problems = [*_problems(inventory, engine, old, new)]
        if not request.interrupt:
            problems.append(pause_problem(old.major, new.major))
        if not request.without_backup:
            problems += _backup_problems(inventory)
        if problems:
            raise Refused(*problems)
        leader = look_around(inventory).database_with(Part.LEADER) or ""
        _send(new)
        with journaled(folder / JOURNAL, report) as notify:
            title = f"Trying whether PostgreSQL {old.major} can become {new.major}"
            go, switch = switch_between(engine, old, new, leader, notify, title)
            go(switch.prepare())
        return MajorRecord(before=old.major, wanted=new.major, leader=leader)


def _convert(path: Path, record: MajorRecord, report: Report) -> MajorRecord:
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    record = keep_major(folder, replace(record, leader=_leader_now(inventory, record)))
    report.tell("Reads and writes stop now, until the managers are told to start again.")
    title = f"From PostgreSQL {record.before} to {record.wanted}"
    with working(inventory, record, record.wanted, report, title) as (switch, go):
        record = keep_major(folder, replace(record, stopped=record.stopped or _now()))
        go(switch.forward())
    return keep_major(folder, replace(record, opened=_now()))


def _leader_now(inventory: Inventory, record: MajorRecord) -> str:
    """Return whose data count: Patroni may have chosen another since the upgrade was begun.

    Raises Refused where the databases are not whole before the first of them stops.
    """
    if named_major(inventory) == record.wanted:  # it leads, or is about to
        return record.leader
    presence = look_around(inventory)
    if not record.stopped and (problems := [*standing_problems(presence)]):
        raise Refused(*problems)
    return presence.database_with(Part.LEADER) or record.leader


def _problems(inventory: Inventory, engine: Engine, old: Side, new: Side) -> Iterator[Problem]:
    if new.major < old.major:
        yield Problem(
            where=f"--postgresql {new.major}",
            what=f"PostgreSQL {old.major} runs, and no data go back to an older version",
            remedy="`--roll-back` undoes the last change",
            code="upgrade-backwards",
        )
        return
    yield from standing_problems(look_around(inventory))
    yield from node_problems(look_at_nodes(engine, old, new), old, new)
    yield from inventory_problems(inventory, new.major)


def _backup_problems(inventory: Inventory) -> Iterator[Problem]:
    try:
        demand_repository(inventory)
    except Refused as error:
        wish = "; without a backup before the upgrade: --without-backup"
        yield from (replace(problem, remedy=problem.remedy + wish) for problem in error.problems)


def _send(side: Side) -> None:
    """Let the nodes have the bundle's files."""
    if side.cluster.bundle is None:
        return
    if problems := send_bundle("postgresql/transfer", side.cluster, [*side.settings]).problems:
        raise PhaseFailed(*problems)


def _converge(path: Path, report: Report, title: str) -> None:
    """Bring every node to its state: managers start, and their gates tell that they work."""
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    with (
        hold_cluster(inventory, MAJOR_UPGRADE),
        logged_to(folder, LOG),
        survey(open_running(inventory).jobs()) as seen,
        journaled(folder / "journal.jsonl", report) as notify,
    ):
        roll_out(seen, RunOptions(title=title), notify)
        unmark(seen.engine, [node.name for node in inventory.nodes])


def _demand_same(record: MajorRecord, wanted: int) -> None:
    if record.wanted != wanted:
        raise Refused(under_way(f"--postgresql {wanted}", record))


def _demand_way_back(record: MajorRecord | None, *, lose_writes: bool) -> MajorRecord:
    if record is None:
        what = "no upgrade of PostgreSQL was begun from here"
        remedy = "`cluster restore` goes back to a backup of the version that runs"
        raise Refused(Problem(where="--roll-back", what=what, remedy=remedy, code="no-way-back"))
    if record.opened and not lose_writes:
        what = f"managers have worked on PostgreSQL {record.wanted} since {record.opened}"
        remedy = "give up what was written since with --lose-writes, or stay"
        raise Refused(
            Problem(where="--roll-back", what=what, remedy=remedy, code="postgresql-writes-since")
        )
    return record


def _has_repository(inventory: Inventory) -> bool:
    return not [*_backup_problems(inventory)]


def _seconds_since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
