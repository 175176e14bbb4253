"""Which pairs of nodes are slow, or lose large packets."""

from collections.abc import Iterator, Mapping, Sequence

from installer.errors import Problem, Severity
from installer.preflight.network.tried import Attempt, Transfer

# etcd's heartbeat is 100 ms, and it advises one as long as a round trip; half of it is the limit.
# Source: etcd, "Tuning", time parameters.
MAX_RTT_S = 0.05
MIN_BITS_PER_S = 500_000  # a tenth of what a quiet cluster's replication and reports need

Way = tuple[str, str]  # from, to


def pair_problems(attempts: Sequence[Attempt]) -> Iterator[Problem]:
    """Yield one problem for each node or pair whose packets are lost or late."""
    ways = {way for attempt in attempts for way in _ways(attempt)}
    holes = {way for attempt in attempts for way in _holes(attempt)}
    for where in _where(holes, ways):
        yield _hole(where, holes)
    slow = dict(each for attempt in attempts for each in _slow_ways(attempt))
    lossless = {way: what for way, what in slow.items() if not {way, way[::-1]} & holes}
    for where in _where(set(lossless), ways):
        yield _slow(where, lossless)


def troubled_pairs(attempts: Sequence[Attempt]) -> frozenset[frozenset[str]]:
    """Return the pairs whose packets are lost or late: that explains handshakes that stall."""
    return frozenset(
        frozenset(way)
        for attempt in attempts
        for way in (*_holes(attempt), *dict(_slow_ways(attempt)))
    )


def _ways(attempt: Attempt) -> Iterator[Way]:
    source, target = attempt.link.source, attempt.link.target
    yield source, target
    yield target, source


def _transfers(attempt: Attempt) -> Iterator[tuple[Way, Transfer]]:
    up, down = _ways(attempt)
    if attempt.up:
        yield up, attempt.up
    if attempt.down:
        yield down, attempt.down


def _holes(attempt: Attempt) -> Iterator[Way]:
    """Yield the ways in which a small byte passes and no large packet does."""
    for way, transfer in _transfers(attempt):
        if transfer.arrived_bytes == 0 and not _is_late(attempt):
            yield way


def _is_late(attempt: Attempt) -> bool:
    return attempt.rtt_s is not None and attempt.rtt_s > MAX_RTT_S


def _slow_ways(attempt: Attempt) -> Iterator[tuple[Way, str]]:
    up, down = _ways(attempt)
    if _is_late(attempt):
        text = f"a round trip takes {(attempt.rtt_s or 0) * 1000:.0f} ms"
        yield up, text
        yield down, text
    for way, transfer in _transfers(attempt):
        rate = transfer.arrived_bytes * 8 / max(transfer.seconds, 0.001)
        if 0 < rate < MIN_BITS_PER_S:
            yield way, f"data pass at {rate / 1000:.0f} kbit/s"


def _where(bad: set[Way], ways: set[Way]) -> Iterator[frozenset[str]]:
    """Yield the nodes of which every pair is bad, then the pairs that are left."""
    pairs = {frozenset(way) for way in bad}
    every = {frozenset(way) for way in ways}
    for node in sorted({name for pair in pairs for name in pair}):
        own = {pair for pair in every if node in pair}
        if len(own) > 1 and own <= pairs:
            yield frozenset((node,))
            pairs -= own
    yield from sorted(pairs, key=sorted)


def _hole(where: frozenset[str], holes: set[Way]) -> Problem:
    names = sorted(where)
    if len(names) == 1:
        place, which = names[0], "packets of full size to or from it"
    else:
        ways = [way for way in sorted(holes) if set(way) == where]
        place = " ↔ ".join(names)
        which = "packets of full size " + " and ".join(f"from {a} to {b}" for a, b in ways)
    return Problem(
        where=place,
        what=f"{which} are lost, while small ones pass",
        remedy="lower the MTU of the interfaces to what the way between them carries, or have its"
        " routers answer with ICMP: `ping -M do -s 1472 ADDRESS` must pass with an MTU of 1500",
        code="mtu-black-hole",
    )


def _slow(where: frozenset[str], slow: Mapping[Way, str]) -> Problem:
    what = next(text for way, text in sorted(slow.items()) if where <= set(way))
    return Problem(
        where=" ↔ ".join(sorted(where)),
        what=f"{what}: etcd loses its leader and synchronous commits wait",
        remedy="put these nodes nearer to each other, or find what slows the way between them",
        code="slow-link",
        severity=Severity.WARNING,
    )
