"""Both sides of a change of PostgreSQL's major version, and what runs its phases."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from installer.actions.install import journaled
from installer.actions.inventory_file import change_inventory
from installer.actions.major_record import MajorRecord
from installer.actions.major_run import Phases, Switch
from installer.actions.major_sides import MAJOR, Side, named_major, side_of
from installer.actions.node_phases import NodePhases
from installer.actions.rollout import RunName, new_run, opened, run_told
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import MAJOR_UPGRADE, hold_cluster
from installer.engine.engine import Engine
from installer.events import Listener
from installer.expand.check import load_cluster
from installer.inventory import Inventory, runs_folder
from installer.report import Report

LOG, JOURNAL = "postgresql", "postgresql-upgrade.jsonl"
Go = Callable[[Phases], None]


@contextmanager
def sides(inventory: Inventory, wanted: int) -> Iterator[tuple[Engine, Side, Side]]:
    """Connect, and yield the cluster before and after."""
    with opened(open_running(inventory).jobs()) as (engine, _):
        yield engine, side_of(engine, inventory), side_of(engine, inventory, wanted)


@contextmanager
def working(
    inventory: Inventory, record: MajorRecord, target: int, report: Report, title: str
) -> Iterator[tuple[Switch, Go]]:
    """Yield the change that was begun, under the lock, and what runs its phases."""
    folder = runs_folder(inventory)
    with (
        hold_cluster(inventory, MAJOR_UPGRADE),
        logged_to(folder, LOG),
        opened(open_running(inventory).jobs()) as (engine, _),
        journaled(folder / JOURNAL, report) as notify,
    ):
        old = side_of(engine, inventory, record.before)
        new = side_of(engine, inventory, record.wanted)
        go, switch = switch_between(engine, old, new, record.leader, notify, title)
        name = functools.partial(_name_in_inventory, inventory, target)
        yield replace(switch, settle_inventory=name), go


def switch_between(  # noqa: PLR0913 - what a run is made of
    engine: Engine, old: Side, new: Side, leader: str, notify: Listener, title: str
) -> tuple[Go, Switch]:
    """Return a change between two sides, and what runs its phases and tells of them."""
    name = RunName(new_run(), title)
    switch = Switch(
        old=old,
        new=new,
        leader=leader,
        make=NodePhases(engine=engine, notify=notify, run=name.run),
        settle_inventory=lambda: None,
    )

    def go(phases: Phases) -> None:
        run_told(tuple(switch.in_order(phases)), notify, name, abort=engine.close)

    return go, switch


def _name_in_inventory(inventory: Inventory, major: int) -> None:
    """Let the inventory name the version whose data run: the next install must keep it."""
    if named_major(load_cluster(inventory.path)) != major:
        change_inventory(inventory, {("settings", *MAJOR): major})
