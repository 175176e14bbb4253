"""Run one step on the node unless what it establishes already holds."""

import time
from typing import Any

from installer.engine.node.script import run_script

_SETTLE_S = 10.0
_INTERVAL_S = 0.25


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Ask the guard, run the script, ask the guard again; return what the last of them said."""
    guard = run_script(request["guard"], request["secrets"], request["timeout_s"])
    if guard["code"] == 0:
        return {"outcome": "held", **guard}
    done = run_script(request["script"], request["secrets"], request["timeout_s"])
    if done["code"] != 0:
        return {"outcome": "failed", **done}
    after = _await_guard(request)
    return {"outcome": "done", **done} if after["code"] == 0 else {"outcome": "not held", **after}


def _await_guard(request: dict[str, Any]) -> dict[str, Any]:
    """Return the guard's answer, given a moment: some changes show with a delay."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        guard = run_script(request["guard"], request["secrets"], request["timeout_s"])
        if guard["code"] == 0 or time.monotonic() > deadline:
            return guard
        time.sleep(_INTERVAL_S)
