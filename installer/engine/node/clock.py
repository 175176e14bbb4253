"""Tell the time."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any


def main(_: dict[str, Any]) -> float:
    """Return this node's clock, in seconds since 1970."""
    return time.time()
