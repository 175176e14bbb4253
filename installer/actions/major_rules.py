"""Why a cluster cannot go to another major version of PostgreSQL; asked before any change."""

from collections.abc import Iterator
from dataclasses import dataclass

from installer.actions.major_sides import MAJOR, Side
from installer.config.compatibility import version_problems
from installer.config.edit import NotEditable, with_value
from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.errors import NodeUnreachable, PhaseFailed, Problem
from installer.inventory import Inventory
from installer.roles.database.major import look_script
from installer.status.model import Part
from installer.status.presence import Presence
from installer.status.words import bytes_words

_SPARE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a database node has."""

    data_bytes: int
    free_bytes: int
    has_new_data: bool
    can_have: bool  # the new version is installed, or the node's sources have it
    patroni: str


def look_at_nodes(engine: Engine, old: Side, new: Side) -> dict[str, Seen]:
    """Return what each database node has; raises NodeUnreachable with each that does not tell."""

    def look(session: Session) -> Seen:
        node = session.name
        done = session.run(look_script(old.settings[node], new.settings[node]))
        if done.code:
            what, remedy = done.last_words(), f"look at /var/lib/postgresql on {node}"
            raise PhaseFailed(Problem(where=node, what=what, remedy=remedy))
        size, free, data, can, patroni = done.stdout.split()
        return Seen(
            data_bytes=int(size),
            free_bytes=int(free),
            has_new_data=data == "yes",
            can_have=can == "yes",
            patroni=patroni,
        )

    outcomes = engine.on_each(old.settings, look)
    if failed := [outcome.error for outcome in outcomes.values() if outcome.error is not None]:
        raise NodeUnreachable(*failed)
    return {node: outcome.value for node, outcome in outcomes.items() if outcome.value}


def node_problems(seen: dict[str, Seen], old: Side, new: Side) -> Iterator[Problem]:
    """Yield what nodes lack for the new version."""
    bundle = new.cluster.bundle
    name = f"postgresql-{new.major}"
    if bundle and bundle.has_packages:
        if name not in {package.name for package in bundle.lock.packages}:
            yield _not_there(str(bundle.path), old, new)
    else:
        yield from (_not_there(node, old, new) for node, one in seen.items() if not one.can_have)
    for node, one in seen.items():
        yield from _room_problems(node, one, new)
    patroni = next(one.patroni for one in seen.values())
    yield from version_problems({"postgresql": str(new.major), "patroni": patroni}, where=name)


def _not_there(where: str, old: Side, new: Side) -> Problem:
    release = f"cfy_manager bundle build --postgresql {old.major} --postgresql {new.major}"
    return Problem(
        where=where,
        what=f"postgresql-{new.major} is not in it, beside the {old.major} that runs",
        remedy=f"`{release}` makes a bundle of both; then `cluster upgrade --bundle` brings it",
        code="postgresql-not-there",
    )


def _room_problems(node: str, one: Seen, new: Side) -> Iterator[Problem]:
    needed = one.data_bytes + one.data_bytes // 5 + _SPARE_BYTES
    if one.free_bytes < needed:
        free, wanted = bytes_words(one.free_bytes), bytes_words(needed)
        yield Problem(
            where=node,
            what=f"/var/lib/postgresql has {free} free; both versions' data need {wanted}",
            remedy="make room there: the old data stay beside the new ones, for the way back",
            code="postgresql-no-room",
        )
    if one.has_new_data:
        yield Problem(
            where=f"{new.settings[node].data_dir} on {node}",
            what=f"there is something where the data of PostgreSQL {new.major} will be",
            remedy="see what it is, and move it away",
            code="postgresql-data-in-the-way",
        )


def standing_problems(presence: Presence) -> Iterator[Problem]:
    """Yield why the databases are not as they must be at the beginning: whole, and free to act."""
    if presence.is_paused:
        yield _not_ready("Patroni is paused", "resume it: `patronictl resume` on a database node")
    if presence.database_with(Part.LEADER) is None:
        yield _not_ready("no primary takes writes", "`cluster status` tells what is wrong")
    behind = [name for name, member in presence.databases.items() if not member.follows]
    if behind:
        what = f"{', '.join(behind)} does not follow the primary"
        yield _not_ready(what, "`cluster status` tells why; `dbs reinit NODE` copies it anew")


def _not_ready(what: str, remedy: str) -> Problem:
    return Problem(where="database", what=what, remedy=remedy, code="postgresql-not-ready")


def pause_problem(old: int, new: int) -> Problem:
    """Return what tells, and asks, about the pause."""
    return Problem(
        where="database",
        what=f"from PostgreSQL {old} to {new} nobody can read or write: the managers stop first,"
        " the data are converted, every replica is copied, the managers start",
        remedy="choose an hour for it, and accept the pause with --interrupt",
        code="restart-interrupts",
    )


def inventory_problems(inventory: Inventory, major: int) -> Iterator[Problem]:
    """Yield why the inventory could not name the new version at the end."""
    try:
        with_value(inventory.path.read_text(encoding="utf-8"), ("settings", *MAJOR), major)
    except NotEditable:
        yield Problem(
            where=str(inventory.path),
            what="the file is written in a way that is not edited",
            remedy="write `settings`, `postgresql_server` and `major_version` in lines of their "
            "own, with the version that runs now",
        )
