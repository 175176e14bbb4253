"""Wait on the node until a condition holds, and say what was seen when it does not."""

import time
from typing import Any

from installer.engine.node.script import run_command, run_script

_DEFERRED = 75  # EX_TEMPFAIL: too few members answer
_INTERVAL_S = 0.5
_CHECK_S = 30.0
_JOURNAL_LINES = "30"


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Run the check until it exits 0 or the deadline passes; the last answer is the result.

    A node that is installed alone (`may_defer`) gives up at the first "too few members".
    """
    started = time.monotonic()
    deadline = started + request["timeout_s"]
    while True:
        left = max(1.0, min(_CHECK_S, deadline - time.monotonic()))
        done = run_script(request["check"], request["secrets"], left)
        deferred = done["code"] == _DEFERRED and request["may_defer"]
        if done["code"] == 0 or deferred or time.monotonic() + _INTERVAL_S > deadline:
            break
        time.sleep(_INTERVAL_S)
    passed = done["code"] == 0
    return {
        "passed": passed,
        "deferred": deferred,
        "code": done["code"],
        "output": (done["stdout"] + done["stderr"])[-4000:],
        "seconds": time.monotonic() - started,
        "journal": {}
        if passed or deferred
        else {unit: _journal(unit) for unit in request["units"]},
    }


def _journal(unit: str) -> str:
    words = ["journalctl", "-u", unit, "-n", _JOURNAL_LINES, "--no-pager", "-o", "short-iso"]
    done = run_command(words, timeout_s=_CHECK_S)
    return str(done["stdout"] or done["stderr"])
