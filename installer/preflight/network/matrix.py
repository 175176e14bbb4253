"""The trial as a table: who connects in rows, to whom in columns."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from installer.preflight.network.pairs import MAX_RTT_S
from installer.preflight.network.tried import Attempt, Tried

_NOTHING, _SELF = "·", "-"
_FAULT, _SLOW, _UNTRIED = "✗", "~", "?"
_LEGEND = {
    _FAULT: "✗ ports that failed",
    _SLOW: "~ slow",
    _UNTRIED: "? not tried",
    _NOTHING: "· no connection needed",
}


def matrix_rows(tried: Tried) -> list[list[str]]:
    """Return the table, its heading first: a round trip in ms, or ✗ and the ports that failed.

    `~` stands before what is slow, `?` where nothing could be tried, `·` where no link is needed.
    """
    targets = [*tried.nodes, *_outside(tried)]
    by_pair = _by_pair(tried.attempts)
    untried = {(link.source, link.target) for link in tried.skipped}
    untried |= {(node, target) for node in tried.absent for target in targets}
    return [
        ["from \\ to", *targets],
        *(
            [source, *(_cell(source, target, by_pair, untried) for target in targets)]
            for source in tried.nodes
        ),
    ]


def matrix_legend(tried: Tried) -> str:
    """Return what the signs mean that this table has."""
    cells = " ".join(cell for row in matrix_rows(tried)[1:] for cell in row[1:])
    said = [f"{len(tried.attempts)} connections tried in {tried.seconds:.1f} s; round trips in ms"]
    said += [text for sign, text in _LEGEND.items() if sign in cells]
    return ", ".join(said)


def matrix_document(tried: Tried) -> dict[str, Any]:
    """Return every attempt as JSON values."""
    return {
        "nodes": list(tried.nodes),
        "seconds": round(tried.seconds, 2),
        "links": [_link_document(attempt) for attempt in tried.attempts],
        "untried": [
            {"source": link.source, "target": link.target, "port": link.port}
            for link in tried.skipped
        ],
    }


def _outside(tried: Tried) -> list[str]:
    return list(dict.fromkeys(a.link.target for a in tried.attempts if a.link.is_external))


def _by_pair(attempts: Sequence[Attempt]) -> Mapping[tuple[str, str], list[Attempt]]:
    found: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.link.source, attempt.link.target].append(attempt)
    return found


def _cell(
    source: str,
    target: str,
    by_pair: Mapping[tuple[str, str], list[Attempt]],
    untried: set[tuple[str, str]],
) -> str:
    if source == target:
        return _SELF
    attempts = by_pair.get((source, target), [])
    if failed := sorted({attempt.link.port for attempt in attempts if attempt.has_failed}):
        return " ".join([_FAULT, *map(str, failed)])
    if (source, target) in untried:
        return _UNTRIED
    times = [attempt.rtt_s for attempt in attempts if attempt.rtt_s is not None]
    if not times:
        return _NOTHING
    digits = 2 if min(times) < 0.001 else 1
    return f"{_SLOW} " * (min(times) > MAX_RTT_S) + f"{min(times) * 1000:.{digits}f}"


def _link_document(attempt: Attempt) -> dict[str, Any]:
    link, fault = attempt.link, attempt.fault
    return {
        "source": link.source,
        "target": link.target,
        "address": link.address,
        "port": link.port,
        "service": str(link.service),
        "tls": link.is_tls,
        "listener": "trial" if attempt.is_trial else "service",
        "ok": not attempt.has_failed,
        "rtt_ms": _ms(attempt.rtt_s),
        "first_byte_ms": _ms(attempt.first_byte_s),
        "fault": fault and f"{fault.stage}: {fault.words or fault.why}",
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
