"""Bring the database's schema to what this code needs; several managers may try at once.

A revision is of one of two kinds, which its module says as `kind`. One that expands only adds: the
managers of the release before work on, so it runs before the first new manager starts. One that
contracts takes away what only old managers use, so it runs once all managers are new. No revision
that expands follows one that contracts, so whatever expands can run first.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, text

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x636679  # "cfy"; every manager of the cluster takes the same advisory lock


class Kind(StrEnum):
    """What a revision does to the managers of the release before."""

    EXPAND = "expand"  # they work on
    CONTRACT = "contract"  # they must be gone


def upgrade_schema(engine: Engine) -> str:
    """Run every missing migration and return the revision; waits while another manager does."""
    return _run_missing(engine, tuple(Kind))


def expand_schema(engine: Engine) -> str:
    """Run what old managers can live with, everything where there is no schema yet."""
    return _run_missing(engine, (Kind.EXPAND,))


def missing_revisions(connection: Connection, kinds: Sequence[Kind] = tuple(Kind)) -> list[str]:
    """Return the revisions that the database lacks, in the order in which they run.

    One that newer code has brought to its present revision lacks nothing: managers of two
    releases share it during an upgrade.
    """
    scripts = ScriptDirectory(str(_MIGRATIONS))
    ordered = list(reversed(list(scripts.walk_revisions())))
    heads = _heads(connection)
    if heads - {script.revision for script in ordered}:
        return []
    present = set(_with_needed(scripts, heads))
    wanted = kinds if heads else tuple(Kind)
    return [s.revision for s in ordered if s.revision not in present and kind_of(s) in wanted]


def kind_of(script: Script) -> Kind:
    """Return what kind a revision is of."""
    return Kind(script.module.kind)


def lock_cluster(connection: Connection) -> None:
    """Wait until no other manager changes what they share; held until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def current_revision(connection: Connection) -> str:
    """Return the revision of the database's schema, empty without one; two may stand together."""
    return ",".join(sorted(_heads(connection)))


def head_revision() -> str:
    """Return the newest revision that this code knows, in the form of `current_revision`."""
    return ",".join(sorted(ScriptDirectory(str(_MIGRATIONS)).get_heads()))


def _run_missing(engine: Engine, kinds: Sequence[Kind]) -> str:
    with engine.begin() as connection:
        lock_cluster(connection)
        for revision in missing_revisions(connection, kinds):
            command.upgrade(_config(connection), revision)
        return current_revision(connection)


def _heads(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


def _with_needed(scripts: ScriptDirectory, names: set[str]) -> Iterator[str]:
    """Yield revisions and all that they come after."""
    for name in names:
        script = scripts.get_revision(name)
        yield name
        yield from _with_needed(scripts, _before(script))


def _before(script: Script) -> set[str]:
    """Return the revisions right before one: those it follows and those it depends on."""
    found: set[str] = set()
    for value in (script.down_revision, script.dependencies):
        found.update((value,) if isinstance(value, str) else value or ())
    return found


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
