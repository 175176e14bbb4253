"""Upgrade a cluster to another bundle node by node, or take its canary back."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from installer.actions.backup import take_backup
from installer.actions.backup_nodes import demand_repository
from installer.actions.cluster import Cluster
from installer.actions.install import journaled
from installer.actions.inventory_file import change_inventory
from installer.actions.node_mark import unmark
from installer.actions.restart import Done
from installer.actions.rollout import StagesByRole, opened, reached, stages_seen
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import (
    UPGRADE,
    demand_allowed,
    hold_cluster,
    unfinished,
)
from installer.actions.upgrade_plan import UpgradePlan, plan_upgrade
from installer.actions.upgrade_record import Memory, UpgradeRecord, load_record
from installer.actions.upgrade_rules import upgrade_problems
from installer.actions.upgrade_run import Course, RollBack, Upgrade, Way
from installer.backup.backup_set import BackupType
from installer.bundle.model import Bundle, load_bundle
from installer.config.edit import NotEditable
from installer.engine.engine import Engine
from installer.errors import ConfigError, PhaseFailed, Problem, Refused
from installer.expand.check import load_cluster
from installer.foresight.outlook import layout_now
from installer.foresight.restart_order import restart_order
from installer.inventory import Inventory, Role, runs_folder
from installer.phases import PhaseResult
from installer.report import Report
from installer.status.seen import look_around

_JOURNAL = "upgrade.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeRequest:
    """What the operator asked of an upgrade."""

    bundle: Path | None = None  # None: that of the upgrade under way
    canary: str | None = None  # None: the manager that may stop first
    canary_only: bool = False
    observe_s: float = 30.0
    without_backup: bool = False
    interrupt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turns:
    """Who has a turn: each node that differs."""

    plan: UpgradePlan
    interrupt: bool

    def wants(self, role: str, node: str) -> bool:
        """Tell whether this role's turn on this node changes anything."""
        return self.plan.turn(role, node).is_needed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A running cluster with the bundle that it is to have, and what that changes."""

    cluster: Cluster
    engine: Engine
    way: Way
    record: UpgradeRecord | None  # of an upgrade that was begun and not finished


def plan_cluster_upgrade(path: Path, request: UpgradeRequest) -> UpgradePlan:
    """Return what an upgrade would change; nothing is changed.

    Raises Refused when the nodes cannot go to the bundle.
    """
    demand_allowed(load_cluster(path), UPGRADE)
    with _opened(path, request) as found:
        return found.way.plan


def upgrade_cluster(path: Path, request: UpgradeRequest, report: Report) -> tuple[PhaseResult, ...]:
    """Bring every node to the bundle: the canary first, then role by role, one node at a time.

    Goes on where a run that did not finish ended; what was upgraded is not touched again. Raises
    Refused before any change when the nodes cannot go there, or a service would pause.
    """
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    demand_allowed(inventory, UPGRADE)
    if not request.without_backup:
        _back_up(path, request, report)
    with hold_cluster(inventory, UPGRADE), logged_to(folder, "upgrade"):
        with _opened(path, request) as found:
            if not found.way.plan.is_needed and found.record is None:
                report.tell("Every node is as the bundle says; nothing to upgrade.")
                return ()
            results = _follow(found, request, report, folder)
            if not request.canary_only:
                _finish(found, folder)
        return results


def roll_back(path: Path, report: Report, *, interrupt: bool = False) -> tuple[PhaseResult, ...]:
    """Take the managers that an unfinished upgrade changed back to the bundle before it.

    Raises Refused when there is no such upgrade, or when the schema is past the way back.
    """
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, UPGRADE), logged_to(folder, "upgrade"):
        record = _demand_way_back(load_record(folder))
        cluster = replace(open_running(inventory), bundle=load_bundle(Path(record.before)))
        with opened(cluster.jobs(), _managers(inventory)) as (engine, stages):
            newer = load_bundle(Path(record.bundle))
            way = _way(engine, cluster.bundle, stages, newer)
            order = restart_order(layout_now(inventory), look_around(inventory))
            turns = _Turns(plan=way.plan, interrupt=interrupt)
            run = RollBack(cluster, turns, engine, way, order)
            with journaled(folder / _JOURNAL, report) as notify:
                results = run.go(Done(), notify)
            for problem in _end(engine, inventory, Memory(folder, record)):
                report.tell(f"{problem.where}: {problem.what}; {problem.remedy}.")
        return results


@contextmanager
def _opened(path: Path, request: UpgradeRequest) -> Iterator[_Opened]:
    inventory = load_cluster(path)
    bundle, record = _destination(inventory, request)
    cluster = replace(open_running(inventory), bundle=bundle)
    _demand_canary(inventory, request)
    with opened(cluster.jobs()) as (engine, stages):
        plan = plan_upgrade(engine, bundle, stages)
        if problems := [*upgrade_problems(plan)]:
            raise Refused(*problems)
        way = Way(plan=plan, stages=stages)
        yield _Opened(cluster=cluster, engine=engine, way=way, record=record)


def _destination(
    inventory: Inventory, request: UpgradeRequest
) -> tuple[Bundle, UpgradeRecord | None]:
    """Return where the cluster goes, and the record of the upgrade that has begun to go there."""
    record = _under_way(inventory)
    bundle = load_bundle(_bundle_path(inventory, request, record))
    is_same = record is not None and Path(record.bundle) == bundle.path
    return bundle, record if is_same else None


def _under_way(inventory: Inventory) -> UpgradeRecord | None:
    known = load_record(runs_folder(inventory))
    return known if known is not None and known.is_under_way else None


def _bundle_path(
    inventory: Inventory, request: UpgradeRequest, record: UpgradeRecord | None
) -> Path:
    if request.bundle is not None:
        return request.bundle.absolute()
    if record is not None:
        return Path(record.bundle)
    raise ConfigError(
        Problem(
            where=str(inventory.path),
            what="no upgrade is under way, and no bundle is named to go to",
            remedy="name one: --bundle DIRECTORY; `cfy_manager bundle build` makes it",
        )
    )


def _follow(
    found: _Opened, request: UpgradeRequest, report: Report, folder: Path
) -> tuple[PhaseResult, ...]:
    inventory = found.cluster.inventory
    order = restart_order(layout_now(inventory), look_around(inventory))
    turns = _Turns(plan=found.way.plan, interrupt=request.interrupt)
    run = Upgrade(found.cluster, turns, found.engine, found.way, order)
    if not request.interrupt:
        run.demand_no_pause()
    left = _under_way(inventory)
    memory = Memory(folder, found.record or _record(found, request, run.nodes["manager"], left))
    course = Course(
        memory=memory,
        mark=unfinished(inventory),
        end=functools.partial(_end, found.engine, inventory, memory),
        way_back=functools.partial(_way_back, found, memory),
        inventory_path=inventory.path,
        observe_s=request.observe_s,
        canary_only=request.canary_only,
    )
    with journaled(folder / _JOURNAL, report) as notify:
        try:
            return run.follow(course, notify)
        except Refused:
            if left is not None:  # nothing has begun but what had before
                Memory(folder, left)
            else:
                memory.forget()
            raise


def _record(
    found: _Opened, request: UpgradeRequest, managers: list[str], left: UpgradeRecord | None
) -> UpgradeRecord:
    """Return what is known of an upgrade that begins, maybe where one to another bundle ended."""
    before = found.cluster.inventory.bundle_path
    return UpgradeRecord(
        before=str(before.absolute()) if before else "",
        bundle=str(found.way.plan.bundle.path),
        canary=request.canary or next(iter(managers), ""),
        is_contracted=left is not None and left.is_contracted,
    )


def _demand_canary(inventory: Inventory, request: UpgradeRequest) -> None:
    names = _managers(inventory)
    if request.canary is not None and request.canary not in names:
        remedy = f"name one of: {', '.join(names)}"
        what = f"{request.canary} is no manager"
        raise ConfigError(Problem(where="--canary", what=what, remedy=remedy))


def _back_up(path: Path, request: UpgradeRequest, report: Report) -> None:
    """Let a backup be there before anything changes, unless the upgrade has begun already."""
    _, record = _destination(load_cluster(path), request)
    if record is not None:
        return
    with _opened(path, request) as found:
        if not found.way.plan.is_needed:
            return
        try:
            demand_repository(found.cluster.inventory)
        except Refused as error:
            wish = "; without a backup before the upgrade: --without-backup"
            raise Refused(*(replace(p, remedy=p.remedy + wish) for p in error.problems)) from error
    backup = take_backup(path, BackupType.DIFFERENTIAL, report)
    report.tell(f"The backup {backup.label} is what was before the upgrade.")


def _demand_way_back(record: UpgradeRecord | None, where: str = "--roll-back") -> UpgradeRecord:
    if record is None or record.is_finished or record.before in ("", record.bundle):
        what = "no upgrade is under way, or the bundle before it is not known here"
    elif record.is_contracted:
        what = "the managers' schema is finished for the new release: the old one cannot use it"
    else:
        return record
    remedy = "restore a backup, or go on: cfy_manager cluster upgrade"
    raise Refused(Problem(where=where, what=what, remedy=remedy, code="no-way-back"))


def _managers(inventory: Inventory) -> list[str]:
    return [node.name for node in inventory.with_role(Role.MANAGER)]


def _end(engine: Engine, inventory: Inventory, memory: Memory) -> tuple[Problem, ...]:
    """Let no upgrade be under way, here and on the nodes: what it began was taken back.

    Returns a problem for each node that keeps its mark.
    """
    try:
        unmark(engine, [node.name for node in inventory.nodes])
    except PhaseFailed as error:
        memory.note(is_back=True)
        remedy = "once it answers, `cfy_manager cluster upgrade --roll-back` takes it away"
        what = "it keeps the mark of the upgrade, by which commands on it are refused"
        return tuple(Problem(where=p.where, what=what, remedy=remedy) for p in error.problems)
    memory.forget()
    return ()


def _way_back(found: _Opened, memory: Memory) -> Way:
    """Return how the canary becomes as it was, whoever else is away meanwhile.

    Raises Refused where no way leads back.
    """
    record = _demand_way_back(memory.record, memory.record.canary)
    cluster = replace(found.cluster, bundle=load_bundle(Path(record.before)))
    stages = stages_seen(found.engine, reached(found.engine, cluster.jobs(), [record.canary]))
    return _way(found.engine, cluster.bundle, stages, found.way.plan.bundle)


def _way(engine: Engine, bundle: Bundle | None, stages: StagesByRole, newer: Bundle) -> Way:
    """Return the way back to a bundle from a newer one."""
    assert bundle is not None  # noqa: S101 - its callers have loaded it
    plan = plan_upgrade(engine, bundle, stages, back_from=newer)
    return Way(plan=plan, stages=stages, back=True)


def _finish(found: _Opened, folder: Path) -> None:
    """Let the inventory name the bundle, then the nodes be free for others: an install keeps it.

    What a kill leaves in between keeps no install from anything, and the next upgrade ends it.
    """
    inventory, bundle = found.cluster.inventory, found.way.plan.bundle.path
    named = inventory.bundle_path
    if named is None or named.absolute() != bundle:
        try:
            change_inventory(inventory, {("bundle",): str(bundle)})
        except NotEditable as error:
            raise Refused(
                Problem(
                    where=str(inventory.path),
                    what="every node is upgraded, but the file is written in a way that is not"
                    " edited",
                    remedy=f"let it say `bundle: {bundle}`, then end the upgrade: cfy_manager"
                    " cluster upgrade",
                )
            ) from error
    unmark(found.engine, found.way.stages)
    record = load_record(folder)
    if record is not None:
        Memory(folder, replace(record, is_finished=True))
