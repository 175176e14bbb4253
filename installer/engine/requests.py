"""What a stage's difference asks of the programs on the node."""

from collections.abc import Iterable
from typing import Any

from installer.engine.changes import StageDifference, Verb
from installer.engine.observation import observe_request
from installer.state import Directory, ManagedFile

INSTALL_S = 1800
APPLY_S = 600


def needs_packages_first(change: StageDifference) -> bool:
    """Tell whether packages come, and with them what must be there before."""
    return bool(change.packages or change.leftovers)


def packages_request(change: StageDifference) -> dict[str, Any]:
    """Return the request for `node/packages.py`: what comes before, the packages, a new look."""
    early = [entry.file for entry in change.files if entry.file.before_packages]
    return {
        "files": [_file(file) for file in early],
        "marks": dict(change.marks),
        "mask": [entry.unit.name for entry in change.units if entry.verb is Verb.MASK],
        "packages": list(change.packages),
        "timeout_s": INSTALL_S,
        "observe": observe_request([change.stage], with_guards=False),
    }


def state_request(change: StageDifference) -> dict[str, Any]:
    """Return the request for `node/state.py`."""
    return {
        "marks": dict(change.marks),
        "users": [
            {"name": user.name, "home": user.home, "groups": list(user.groups)}
            for user in change.users
        ],
        "directories": [_rights(entry) for entry in change.directories],
        "files": [_file(entry.file) for entry in change.files if not entry.is_rights_only],
        "rights": [_rights(entry.file) for entry in change.files if entry.is_rights_only],
        "absent": list(change.absent),
        "units": _units(change),
        "note": _note(change),
    }


def _note(change: StageDifference) -> dict[str, dict[str, str]]:
    """Return what the node's record has after this: units as they will be, and what it lacked."""
    note = {kind: dict(states) for kind, states in change.unrecorded.items()}
    if change.units:
        note["unit"] = {unit.name: unit.target.value for unit in change.stage.state.units}
    return note


def _file(file: ManagedFile) -> dict[str, Any]:
    return _rights(file) | {"content": file.content}


def _rights(entry: ManagedFile | Directory) -> dict[str, Any]:
    return {
        "path": entry.path,
        "owner": entry.owner,
        "group": entry.group,
        "mode": entry.mode,
    }


def _units(change: StageDifference) -> dict[str, Any] | None:
    if not change.units and not change.reloads_systemd:
        return None
    now = [entry for entry in change.units if not entry.is_deferred]
    verbs = {verb.value: _names(e.unit.name for e in now if e.verb is verb) for verb in Verb}
    # A unit that an earlier stage of this run started would ignore a mere start.
    afresh = [
        entry.unit.name
        for entry in now
        if entry.verb is Verb.START and change.touched.intersection(entry.unit.restart_on)
    ]
    return verbs | {
        "start_afresh": afresh,
        # the node itself sees whether a unit of this stage is stale: often it was never loaded
        "daemon_reload": change.touches_foreign_units,
        "look_at": _names(unit.name for unit in change.stage.state.units),
    }


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
