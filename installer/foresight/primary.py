"""Whether a database may lead in place of another, and whether a replica may be copied anew."""

from collections.abc import Iterator

from installer.errors import Problem
from installer.foresight.survival import Layout
from installer.status.model import Part
from installer.status.presence import Presence

# PostgreSQL replays what lags before it takes writes; Patroni's maximum_lag_on_failover is the same
MOST_LAG_BYTES = 1024 * 1024
_LIST = "look with `cfy_manager dbs list`"


def switchover_problems(layout: Layout, presence: Presence, node: str) -> Iterator[Problem]:
    """Yield why a node may not lead in place of the primary now."""
    primary = presence.database_with(Part.LEADER)
    if primary is None:
        yield _no_primary(node)
        return
    if primary == node:
        what = "it is the primary already: nothing is to be done"
        yield Problem(where=node, what=what, remedy=_LIST, code="already-primary")
        return
    if presence.is_paused:
        yield Problem(
            where=node,
            what="Patroni is paused: a primary that fails during a switchover is not replaced",
            remedy="resume it: `patronictl -c /etc/patroni/config.yml resume` on a database node",
            code="patroni-paused",
        )
    yield from _replica_problems(layout, presence, node)


def _replica_problems(layout: Layout, presence: Presence, node: str) -> Iterator[Problem]:
    member, synchronous = presence.databases[node], presence.database_with(Part.SYNCHRONOUS)
    if not member.follows:
        yield Problem(
            where=node,
            what="it does not follow the primary, so it lacks commits",
            remedy=f"{_LIST}; start it, or copy it anew with `cfy_manager dbs reinit {node}`",
            code="replica-not-following",
        )
    elif layout.has_synchronous_replica and member.part is not Part.SYNCHRONOUS:
        yield Problem(
            where=node,
            what="it is no synchronous replica, so it may lack commits that were acknowledged; "
            f"synchronous is {synchronous or 'none'}",
            remedy=_synchronous_remedy(synchronous),
            code="replica-not-synchronous",
        )
    if member.lag_bytes is not None and member.lag_bytes > MOST_LAG_BYTES:
        yield Problem(
            where=node,
            what=f"it is {member.lag_bytes // MOST_LAG_BYTES} MiB behind the primary: writes would "
            "pause until it has caught up",
            remedy="wait until it has caught up, and look at load, disk and network of the node",
            code="replica-lags",
        )


def _synchronous_remedy(synchronous: str | None) -> str:
    if synchronous is None:
        return f"wait until Patroni has chosen one: {_LIST}"
    return (
        f"let {synchronous} lead, or restart it so that another replica becomes synchronous: "
        f"`cfy_manager cluster restart --only database --node {synchronous} -i INVENTORY`"
    )


def copy_problems(
    layout: Layout, presence: Presence, node: str, *, force: bool = False
) -> Iterator[Problem]:
    """Yield why the data of a node may not be thrown away and copied anew.

    With `force` the last replica may, where commits do not wait for one for ever.
    """
    primary = presence.database_with(Part.LEADER)
    if primary == node:
        yield Problem(
            where=node,
            what="it is the primary: there is no other source of its data",
            remedy="let a replica lead first: `cfy_manager dbs set-master REPLICA`",
            code="copy-of-primary",
        )
        return
    if primary is None:
        yield _no_primary(node)
        return
    replicas = {n for n, m in presence.databases.items() if m.follows and n != primary}
    if replicas != {node}:
        return
    is_strict = layout.synchronous_mode == "strict"
    if is_strict or not force:
        yield Problem(
            where=node,
            what="it is the last replica that follows: meanwhile nobody could take over"
            + (", and every commit would wait" if is_strict else ""),
            remedy="first bring another replica back"
            + ("" if is_strict else ", or accept the risk with --force"),
            code="copy-of-last-replica",
        )


def _no_primary(node: str) -> Problem:
    return Problem(
        where=node,
        what="no database leads at the moment",
        remedy=f"wait until one is elected: {_LIST}",
        code="database-without-primary",
    )
