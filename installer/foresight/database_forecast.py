"""How long the loss of a part of the database stops writes, from Patroni's and etcd's times.

Sources: Patroni, "Dynamic Configuration Settings", "DCS Failsafe Mode", "Replication modes", and
patroni/ha.py, patroni/dcs/etcd.py; etcd, "Tuning" and server/lease/lessor.go; PostgreSQL, libpq.
"""

from collections.abc import Iterator

from installer.foresight.forecast import Forecast, Loss, Term
from installer.foresight.survival import majority
from installer.foresight.timings import ClientTimes, DatabaseTimes

_REVOKE_S = 0.5  # etcd looks for expired leases this often
_ASK_MEMBER_S = 2  # a replica's question to a member that does not answer
_PROMOTION_S = (0.5, 2)
_CRASH_RECOVERY_S = (0.5, 10)  # replays the WAL since the last checkpoint
_WRITES = "writes, REST requests"


def database_forecasts(
    times: DatabaseTimes, members: int, client: ClientTimes
) -> Iterator[Forecast]:
    """Yield a forecast for each way to lose a part of the database."""
    if members == 1:
        yield from _alone(times)
        return
    yield _primary_process(times)
    yield _primary_host(times, members, client)
    yield _primary_and_etcd_leader(times, members, client)
    yield _primary_partition(times, members, client)
    yield _switchover(times)
    yield _replica(times)
    if times.synchronous_mode != "off":
        yield _synchronous_replica(times, members)
    yield _etcd_leader(times)
    yield _whole_etcd(times)
    yield Forecast(
        loss=Loss.DATABASE_MAJORITY,
        title=f"{members - majority(members) + 1} databases at once",
        interrupts=_WRITES,
        until_repaired=True,
        notes=("the rest is read-only: without a majority etcd elects nobody",),
    )


def lost_data(times: DatabaseTimes) -> str:
    """Return what a failover may lose of acknowledged commits. Source: "Replication modes"."""
    if times.synchronous_mode != "off":
        return "none"
    mib = times.max_lag_bytes / 1024**2
    return f"at most {mib:g} MiB of WAL and what is written in {times.ttl_s:g} s"


def key_terms(times: DatabaseTimes) -> tuple[Term, ...]:
    """Return how long the leader's key outlives its holder."""
    return (
        Term(
            what=f"the leader's key lasts: ttl {times.ttl_s:g}, renewed each {times.loop_wait_s:g}",
            shortest_s=times.ttl_s - times.loop_wait_s,
            longest_s=times.ttl_s,
            source="Patroni: ttl, loop_wait",
        ),
        Term(
            what="etcd looks for expired leases",
            shortest_s=0,
            longest_s=_REVOKE_S,
            source="etcd: lessor.go, runLoop",
        ),
    )


def _takeover(times: DatabaseTimes, members: int, client: ClientTimes) -> tuple[Term, ...]:
    """Return what follows when the key is gone: a new primary, and managers that find it."""
    per_member = times.retry_timeout_s / members
    return (
        Term(
            what="a replica asked the lost member of etcd, and asks the next",
            shortest_s=0,
            longest_s=per_member,
            source=f"Patroni: retry_timeout {times.retry_timeout_s:g} / {members} members",
        ),
        Term(
            what="replicas ask each other; the lost one does not answer",
            shortest_s=0,
            longest_s=_ASK_MEMBER_S,
            source="Patroni: ha.py, is_healthiest_node",
        ),
        _promotion(),
        Term(
            what="a manager tries the lost host first",
            shortest_s=0,
            longest_s=client.database_connect_s,
            source="libpq: connect_timeout",
        ),
    )


def _promotion() -> Term:
    shortest, longest = _PROMOTION_S
    return Term(
        what="PostgreSQL is promoted",
        shortest_s=shortest,
        longest_s=longest,
        source="measured",
    )


def _alone(times: DatabaseTimes) -> Iterator[Forecast]:
    yield Forecast(
        loss=Loss.PRIMARY_PROCESS,
        title="PostgreSQL crashes",
        interrupts=_WRITES,
        terms=_restart(times),
    )
    yield Forecast(
        loss=Loss.PRIMARY_HOST,
        title="the database's host",
        interrupts=_WRITES,
        data="what no backup has, if its disk is lost",
        until_repaired=True,
        notes=("one database has no replica: three survive the loss of one",),
    )


def _restart(times: DatabaseTimes) -> tuple[Term, ...]:
    shortest, longest = _CRASH_RECOVERY_S
    return (
        Term(
            what="Patroni's next look",
            shortest_s=0,
            longest_s=times.loop_wait_s,
            source="Patroni: loop_wait",
        ),
        Term(
            what="PostgreSQL starts and replays its log",
            shortest_s=shortest,
            longest_s=longest,
            likely_s=2,
            source="PostgreSQL: WAL since the last checkpoint",
        ),
    )


def _primary_process(times: DatabaseTimes) -> Forecast:
    look, recovery = _restart(times)
    most = Term(
        what="it recovers in time, or a replica takes over",
        shortest_s=recovery.shortest_s,
        longest_s=times.primary_start_timeout_s + times.loop_wait_s,
        likely_s=recovery.likely_s,
        source="Patroni: primary_start_timeout + loop_wait",
    )
    return Forecast(
        loss=Loss.PRIMARY_PROCESS,
        title="PostgreSQL crashes on the primary",
        interrupts=_WRITES,
        terms=(look, most),
        data=lost_data(times),
    )


def _primary_host(times: DatabaseTimes, members: int, client: ClientTimes) -> Forecast:
    return Forecast(
        loss=Loss.PRIMARY_HOST,
        title="the primary's host",
        interrupts=_WRITES,
        terms=(*key_terms(times), *_takeover(times, members, client)),
        data=lost_data(times),
    )


def _primary_and_etcd_leader(times: DatabaseTimes, members: int, client: ClientTimes) -> Forecast:
    """The new leader of etcd gives every lease its whole time again, and an election's on top."""
    election = _election(times)
    renewed = Term(
        what="the new leader of etcd renews the key",
        shortest_s=times.ttl_s,
        longest_s=times.ttl_s + times.election_s,
        source="etcd: lessor.go, Promote(election timeout)",
    )
    _, revoke = key_terms(times)
    return Forecast(
        loss=Loss.PRIMARY_AND_ETCD_LEADER,
        title="the primary's host that leads etcd too",
        interrupts=_WRITES,
        terms=(election, renewed, revoke, *_takeover(times, members, client)),
        data=lost_data(times),
    )


def _primary_partition(times: DatabaseTimes, members: int, client: ClientTimes) -> Forecast:
    demotion_s = times.loop_wait_s + 2 * times.retry_timeout_s
    return Forecast(
        loss=Loss.PRIMARY_PARTITION,
        title="the primary is cut off from all others",
        interrupts=_WRITES,
        terms=(*key_terms(times), *_takeover(times, members, client)),
        data=lost_data(times),
        notes=(
            f"it steps down within loop_wait + 2 retry_timeout = {demotion_s:g} s after it last "
            f"renewed its key, which lasts {times.ttl_s:g} s: never are there two primaries",
        ),
    )


def _switchover(times: DatabaseTimes) -> Forecast:
    return Forecast(
        loss=Loss.SWITCHOVER,
        title="planned: another database becomes primary",
        interrupts=_WRITES,
        terms=(
            Term(
                what="the primary writes a checkpoint and stops",
                shortest_s=0.3,
                longest_s=3,
                likely_s=1,
                source="PostgreSQL: fast shutdown",
            ),
            Term(
                what="the chosen replica sees that the key is free",
                shortest_s=0,
                longest_s=times.loop_wait_s,
                likely_s=0.2,  # etcd tells it; without that it looks once in a loop
                source="Patroni: loop_wait",
            ),
            _promotion(),
            Term(
                what="managers find the new primary",
                shortest_s=0,
                longest_s=1,
                source="libpq: target_session_attrs, refused connections cost nothing",
            ),
        ),
    )


def _replica(times: DatabaseTimes) -> Forecast:
    return Forecast(
        loss=Loss.REPLICA,
        title="a replica that no commit waits for",
        interrupts="",
    )


def _synchronous_replica(times: DatabaseTimes, members: int) -> Forecast:
    """The primary waits until it sees that the replica is gone, by its silence or in etcd."""
    noticed = Term(
        what="the primary's next look chooses another, or none",
        shortest_s=0,
        longest_s=times.loop_wait_s,
        source="Patroni: loop_wait",
    )
    forever = times.synchronous_mode == "strict" and members == 2
    return Forecast(
        loss=Loss.SYNCHRONOUS_REPLICA,
        title="the host of the synchronous replica",
        interrupts="commits, which hang",
        terms=() if forever else (_silence(times), noticed),
        until_repaired=forever,
        notes=("strict: no commit returns before the only replica does",) if forever else (),
    )


def _silence(times: DatabaseTimes) -> Term:
    """Return how long a silent replica counts as there: the sender asks it at half its time."""
    sender_s = times.sender_timeout_s or times.ttl_s
    if sender_s < times.ttl_s:
        return Term(
            what=f"the primary gives the silent replica up: wal_sender_timeout {sender_s:g}",
            shortest_s=min(sender_s / 2, max(0, times.ttl_s - 2 * times.loop_wait_s)),
            longest_s=sender_s,
            likely_s=sender_s,
            source="PostgreSQL: wal_sender_timeout",
        )
    return Term(  # a replica's renewal is left out when the last is not a whole loop ago
        what=f"its key in etcd lasts: ttl {times.ttl_s:g}, renewed at least each second loop",
        shortest_s=max(0, times.ttl_s - 2 * times.loop_wait_s),
        longest_s=times.ttl_s + _REVOKE_S,
        source="Patroni: etcd3.py, touch_member",
    )


def _election(times: DatabaseTimes) -> Term:
    return Term(
        what="etcd elects a leader",
        shortest_s=times.election_s,
        longest_s=2 * times.election_s,
        source="etcd: election-timeout, drawn between one and two of it",
    )


def _etcd_leader(times: DatabaseTimes) -> Forecast:
    election = _election(times)
    harmless = election.longest_s <= times.retry_timeout_s or times.failsafe
    return Forecast(
        loss=Loss.ETCD_LEADER,
        title="etcd's leader, on no primary's host",
        interrupts="" if harmless else _WRITES,
        terms=() if harmless else (election,),
        notes=(
            f"etcd elects another within {election.longest_s:g} s; "
            f"Patroni waits {times.retry_timeout_s:g} s for it",
        ),
    )


def _whole_etcd(times: DatabaseTimes) -> Forecast:
    if times.failsafe:
        note = "failsafe mode: the primary goes on while all other members answer it"
        return Forecast(loss=Loss.WHOLE_ETCD, title="all of etcd", interrupts="", notes=(note,))
    return Forecast(
        loss=Loss.WHOLE_ETCD,
        title="all of etcd",
        interrupts=_WRITES,
        until_repaired=True,
        notes=(f"the primary steps down after retry_timeout {times.retry_timeout_s:g} s",),
    )
