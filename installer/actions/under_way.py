"""Which commands wait while an upgrade or a restore is unfinished: one rule for all that lock.

A command that is named nowhere here waits: what is new harms nothing before somebody thought of it.
The controller that began an upgrade knows of it by its record. Nodes bear the same rule as a mark,
for commands on themselves and for other controllers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installer.actions.departure import change_unfinished
from installer.actions.departure import unfinished as load_departure
from installer.actions.major_record import MajorRecord, load_major, under_way
from installer.actions.node_mark import Mark, marks_on
from installer.actions.restore_record import load_restore, restore_under_way
from installer.actions.upgrade_record import UpgradeRecord, load_record
from installer.engine.engine import Engine
from installer.engine.target import target_of
from installer.errors import Problem, Refused
from installer.inventory import Inventory, runs_folder
from installer.lock import hold_lock

UPGRADE, MAJOR_UPGRADE = "cluster upgrade", "cluster upgrade --postgresql"
RESTORE = "cluster restore"
_STOPPING = frozenset(("cluster stop", "cluster remove"))
_HARMLESS = _STOPPING | {
    "cluster backup",
    "cluster backup verify",
    "status-reporter configure",
    "status-reporter remove",
}  # of every upgrade
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
_MEMBERS_CHANGE = (
    _HARMLESS
    | (_SAME_BUNDLE - {"cluster restart"})
    | {f"cluster {verb}" for verb in ("add-node", "remove-node", "replace-node")}
)  # those of another verb, or of other nodes, are refused by it themselves
# Nobody looks for marks then: the run must be as quick as ever, and no bundle is undone by it.
_UNASKED = _HARMLESS | _SAME_BUNDLE | {UPGRADE}


@contextmanager
def hold_cluster(inventory: Inventory, command: str) -> Iterator[None]:
    """Hold a cluster's lock for the time of a run.

    Raises Refused while another run holds it, or what is unfinished would be harmed by it.
    """
    with hold_lock(runs_folder(inventory) / "lock", command):
        demand_allowed(inventory, command)
        if command not in _UNASKED and not _is_known_here(inventory):
            _demand_unmarked(inventory, command)
        yield


def demand_allowed(inventory: Inventory, command: str) -> None:
    """Raise Refused where an upgrade or a restore is unfinished that the command would harm."""
    found = unfinished(inventory)
    if found is not None and found.forbids(command):
        raise Refused(found.problem)


def unfinished(inventory: Inventory) -> Mark | None:
    """Return what an upgrade or a restore that was begun from here forbids until it ends."""
    folder = runs_folder(inventory)
    major = load_major(folder)
    if major is not None and major.is_under_way:
        return major_mark("database", major)
    departure = load_departure(folder)
    if departure is not None and not departure.has_left:
        # what counts members by the inventory believes in fewer than there are
        return Mark(problem=change_unfinished(departure), passing=_MEMBERS_CHANGE)
    restore = load_restore(folder)
    if restore is not None:
        # a backup would take what is half restored, and end what recovers on its node
        return Mark(problem=restore_under_way(folder, restore), passing=_STOPPING | {RESTORE})
    record = load_record(folder)
    if record is None or not _leads_away(inventory, record):
        return None
    ways_back = {RESTORE} if record.is_contracted else set()
    return Mark(
        problem=_to_bundle(record), passing=_HARMLESS | _SAME_BUNDLE | {UPGRADE} | ways_back
    )


def major_mark(where: str, record: MajorRecord) -> Mark:
    """Return what a change of PostgreSQL's major version forbids.

    What starts managers would let them write on data that are about to go.
    """
    return Mark(problem=under_way(where, record), passing=_HARMLESS | {MAJOR_UPGRADE})


def _is_known_here(inventory: Inventory) -> bool:
    """Tell whether this controller began what nodes may be marked with."""
    folder = runs_folder(inventory)
    major, record = load_major(folder), load_record(folder)
    return (major is not None and major.is_under_way) or (
        record is not None and not record.is_finished
    )


def _demand_unmarked(inventory: Inventory, command: str) -> None:
    """Raise Refused where another controller's upgrade forbids the command.

    Nodes that cannot be reached are no matter here: the run itself tells of them.
    """
    targets = [target_of(node) for node in inventory.nodes]
    with Engine(targets) as engine:
        lost = engine.connect()
        reached = [target.name for target in targets if target.name not in lost]
        found = [mark.problem for mark in marks_on(engine, reached) if mark.forbids(command)]
    if found:
        raise Refused(*found)


def _leads_away(inventory: Inventory, record: UpgradeRecord) -> bool:
    """Tell whether a run by the inventory would bring upgraded nodes back, none in its turn.

    Where the bundle before is unknown, an install is the only way back.
    """
    if not record.is_under_way or not record.before:
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
