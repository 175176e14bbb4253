"""Do several things at once on a node, within one limit."""

from __future__ import annotations

import time
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from collections.abc import Callable, Iterable
    from typing import Any

    Job = tuple[Callable[..., Any], tuple[Any, ...]]


def side_by_side(
    jobs: Iterable[tuple[Callable[..., Any], tuple[Any, ...]]], limit_s: float
) -> None:
    """Call all functions at once; one that is not done in time goes on alone."""
    threads = [Thread(target=work, args=words, daemon=True) for work, words in jobs]
    for thread in threads:
        thread.start()
    end = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
