"""Bring systemd units of a node to their wanted state."""

from __future__ import annotations

import time

from installer.engine.node.base import Failure
from installer.engine.node.files import settle
from installer.engine.node.script import checked, last_lines, run_command

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_TOOL_S = 120
_STOP_S = 300  # a database writes its checkpoint first
_POLL_S = 0.05
_PROPERTIES = ("ActiveState", "NeedDaemonReload", "UnitFileState")
_RUNNING = ("active", "activating", "reloading")


def mask_units(units: list[str]) -> None:
    """Mask units, present or not, and stop those that run; systemd must read its units after."""
    if not units:
        return
    _offline("mask", *units)
    running = [unit for unit in units if _show(unit)["ActiveState"] in _RUNNING]
    if running:
        _systemctl("stop", *running)


def apply_units(change: dict[str, Any]) -> None:
    """Make the unit changes that `installer.engine.difference` found, in systemd's order.

    Starts are only queued: whether a service works is its gate's question, and one that waits
    for its peers would wait here for ever.
    """
    for verb in ("unmask", "disable", "enable"):
        if change[verb]:
            _offline(verb, *change[verb])
    mask_units(change["mask"])
    if change["daemon_reload"] or any(_is_stale(unit, change) for unit in change["look_at"]):
        _systemctl("daemon-reload")
    if change["stop"]:
        _systemctl("stop", *change["stop"])
    if change["start"]:
        _start(change["start"], change["start_afresh"])
    restart_units(change["restart"])
    for unit in change["reload"]:
        _reload(unit)
        settle(unit)


def _reload(unit: str) -> None:
    """Let a service read its files anew; one that has ended meanwhile does so by starting.

    Where certificates have expired services come and go: what ran when it was looked at need not
    run any more.
    """
    try:
        _systemctl("reload", unit)
    except Failure:
        if _show(unit)["ActiveState"] == "active":
            raise  # it refuses its new files
        _start([unit], [unit])


def stop_units(units: list[str]) -> None:
    """Stop units one after the other; each has ended before the next is told."""
    for unit in units:
        done = run_command(["systemctl", "stop", unit], timeout_s=_STOP_S)
        if done["code"] != 0:
            raise Failure(unit, last_lines(done), f"see `journalctl -u {unit} -n 50`")


def read_units_again() -> None:
    """Let systemd know of unit files that changed."""
    _systemctl("daemon-reload")


def _offline(verb: str, *units: str) -> None:
    """Change links of units without systemd.

    It would read all units again after each verb, and thrice for a unit that has a script of the
    System V kind as well: 0.2 s of processor time each time.
    """
    _systemctl(verb, *units, variables={"SYSTEMD_OFFLINE": "1"})


def _is_stale(unit: str, change: dict[str, Any]) -> bool:
    """Tell whether systemd knows a unit otherwise than its files and links are by now."""
    known = _show(unit)
    if known["NeedDaemonReload"] == "yes":
        return True
    if unit in change["enable"]:
        return known["UnitFileState"] == "disabled"
    return any(unit in change[verb] for verb in ("unmask", "disable", "mask"))


def _show(unit: str) -> dict[str, str]:
    options = [f"--property={name}" for name in _PROPERTIES]
    words = ["systemctl", "show", *options, "--", unit]
    shown = checked(words, timeout_s=_TOOL_S, remedy="check that systemd runs on this host")
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def _start(units: list[str], afresh: list[str]) -> None:
    _forget_failures(units)
    stopped = [unit for unit in units if unit not in afresh]
    if stopped:
        _systemctl("start", "--no-block", *stopped)
    if afresh:
        _systemctl("restart", "--no-block", *afresh)
    for unit in units:
        settle(unit)


def restart_units(units: list[str]) -> None:
    """Queue restarts, and return once no unit runs its old process any more.

    A gate that follows must not be answered by the process that is about to stop.
    """
    if not units:
        return
    _forget_failures(units)
    before = _invocations(units)
    _systemctl("restart", "--no-block", *units)
    deadline = time.monotonic() + _STOP_S
    waiting = set(units)
    while waiting:
        waiting = {unit for unit, state in _invocations(units).items() if state == before[unit]}
        if waiting and time.monotonic() > deadline:
            names = ", ".join(sorted(waiting))
            remedy = f"see `systemctl status` and `journalctl -u {sorted(waiting)[0]} -n 50`"
            raise Failure(names, f"did not stop within {_STOP_S} s to restart", remedy)
        time.sleep(_POLL_S if waiting else 0)
    for unit in units:
        settle(unit)


def _forget_failures(units: list[str]) -> None:
    """Let systemd start units whose last starts came too often; it need not know them yet."""
    run_command(["systemctl", "reset-failed", *units], timeout_s=_TOOL_S)


def _invocations(units: list[str]) -> dict[str, tuple[str, ...]]:
    """Return what identifies each unit's present run; a unit without one is not running."""
    words = ["systemctl", "show", "--property=InvocationID", "--property=ActiveState", "--", *units]
    shown = checked(words, timeout_s=_TOOL_S, remedy="check that systemd runs on this host")
    blocks = shown.strip("\n").split("\n\n")
    return {
        unit: tuple(sorted(block.splitlines())) for unit, block in zip(units, blocks, strict=True)
    }


def _systemctl(*words: str, variables: dict[str, str] | None = None) -> None:
    done = run_command(["systemctl", *words], timeout_s=_TOOL_S, variables=variables)
    if done["code"] != 0:
        unit = words[-1]
        remedy = f"see `systemctl status {unit}` and `journalctl -u {unit} -n 50`"
        raise Failure(f"systemctl {' '.join(words)}"[:200], last_lines(done), remedy)


def main(request: dict[str, Any]) -> None:
    """Restart the units of the request."""
    restart_units(request["restart"])
