"""Wait on the node until a condition holds, and say what was seen when it does not."""

from __future__ import annotations

import time

from installer.engine.node.diagnose import Watch
from installer.engine.node.script import run_script

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_DEFERRED = 75  # EX_TEMPFAIL: too few members answer
_NEARER = 76  # what is awaited is under way and cannot be hurried
_INTERVAL_S = 0.5
_SHARE = 1.0  # a pause lasts as long as the check before it: on a busy host it starves nobody
_MOST_INTERVAL_S = 2.0
_CHECK_S = 30.0


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Run the check until it exits 0 or the deadline passes; the last answer is the result.

    Time in which the check tells of something under way does not count, up to `longest_s` in all.
    A node that is installed alone (`may_defer`) gives up at the first "too few members". A known
    cause that only a person can mend ends the wait once it is seen to last.
    """
    started = time.monotonic()
    deadline = started + request["timeout_s"]
    last = started + request["longest_s"]
    watch = Watch(request["units"], request["watch"])
    while True:
        asked = time.monotonic()
        left = max(1.0, min(_CHECK_S, deadline - asked))
        done = run_script(request["check"], request["secrets"], left)
        deferred = done["code"] == _DEFERRED and request["may_defer"]
        pause = _pause(time.monotonic() - asked)
        if done["code"] == 0 or deferred or time.monotonic() + _INTERVAL_S > deadline:
            break
        if watch.sees_no_hope(done["stdout"] + done["stderr"]):
            break
        time.sleep(min(pause, max(_INTERVAL_S, deadline - time.monotonic())))
        if done["code"] == _NEARER:
            deadline = max(deadline, min(last, deadline + time.monotonic() - asked))
    return {
        "passed": done["code"] == 0,
        "deferred": deferred,
        "hopeless": watch.is_hopeless,
        "code": done["code"],
        "output": (done["stdout"] + done["stderr"])[-4000:],
        "seconds": time.monotonic() - started,
    }


def _pause(check_s: float) -> float:
    return min(_MOST_INTERVAL_S, max(_INTERVAL_S, _SHARE * check_s))
