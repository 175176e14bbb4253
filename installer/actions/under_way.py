"""Which commands wait while an upgrade or a restore is unfinished: one rule for all that lock.

A command that is named nowhere here waits: what is new harms nothing before somebody thought of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from installer.actions.cluster import runs_folder
from installer.actions.major_record import load_major, under_way
from installer.actions.restore_record import load_restore, restore_under_way
from installer.actions.upgrade_record import UpgradeRecord, load_record
from installer.errors import Problem, Refused
from installer.inventory import Inventory
from installer.lock import hold_lock

UPGRADE, MAJOR_UPGRADE = "cluster upgrade", "cluster upgrade --postgresql"
RESTORE = "cluster restore"
_STOPPING = frozenset(("cluster stop", "cluster remove"))
_HARMLESS = _STOPPING | {"cluster backup", "cluster backup verify"}  # of every upgrade
# They leave every node the bundle that it has.
_SAME_BUNDLE = frozenset(
    (
        "certificates renew",  # nothing may expire because a canary is watched for days
        "cluster reset-admin-password",
        "cluster restart",
        "cluster start",
        "dbs reinit",
        "dbs set-master",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unfinished:
    """An upgrade that another run must go on with, or take back; or a restore."""

    problem: Problem
    passing: frozenset[str]  # the commands that may run meanwhile


@contextmanager
def hold_cluster(inventory: Inventory, command: str) -> Iterator[None]:
    """Hold a cluster's lock for the time of a run.

    Raises Refused while another run holds it, or what is unfinished would be harmed by it.
    """
    with hold_lock(runs_folder(inventory) / "lock", command):
        demand_allowed(inventory, command)
        yield


def demand_allowed(inventory: Inventory, command: str) -> None:
    """Raise Refused where an upgrade or a restore is unfinished that the command would harm."""
    found = _unfinished(inventory)
    if found is not None and command not in found.passing:
        raise Refused(found.problem)


def _unfinished(inventory: Inventory) -> _Unfinished | None:
    folder = runs_folder(inventory)
    major = load_major(folder)
    if major is not None and major.is_under_way:
        # what starts managers would let them write on data that are about to go
        return _Unfinished(
            problem=under_way("database", major), passing=_HARMLESS | {MAJOR_UPGRADE}
        )
    restore = load_restore(folder)
    if restore is not None:
        # a backup would take what is half restored, and end what recovers on its node
        return _Unfinished(
            problem=restore_under_way(folder, restore), passing=_STOPPING | {RESTORE}
        )
    record = load_record(folder)
    if record is None or not _leads_away(inventory, record):
        return None
    ways_back = {RESTORE} if record.is_contracted else set()
    return _Unfinished(
        problem=_to_bundle(record), passing=_HARMLESS | _SAME_BUNDLE | {UPGRADE} | ways_back
    )


def _leads_away(inventory: Inventory, record: UpgradeRecord) -> bool:
    """Tell whether a run by the inventory would bring upgraded nodes back, none in its turn.

    Where the bundle before is unknown, an install is the only way back.
    """
    if record.is_finished or not record.before:
        return False
    named = inventory.bundle_path
    return named is None or named.absolute() != Path(record.bundle)


def _to_bundle(record: UpgradeRecord) -> Problem:
    go_on = "go on with it, `cfy_manager cluster upgrade`"
    way_back = "restore a backup" if record.is_contracted else "or back, with `--roll-back`"
    return Problem(
        where="bundle",
        what=f"an upgrade to {record.bundle} is under way; this would bring nodes back from it",
        remedy=f"{go_on}, {way_back}; where a node is lost for good, let the inventory name that"
        " bundle first",
        code="upgrade-under-way",
    )
