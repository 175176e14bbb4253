"""Bring the database's schema to the head revision; several managers may try at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x636679  # "cfy"; every manager of the cluster takes the same advisory lock


def upgrade_schema(engine: Engine) -> str:
    """Run the missing migrations and return the revision; waits while another manager does."""
    with engine.begin() as connection:
        lock_cluster(connection)
        command.upgrade(_config(connection), "head")
        return current_revision(connection) or ""


def lock_cluster(connection: Connection) -> None:
    """Wait until no other manager changes what they share; held until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the database's schema."""
    return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str:
    """Return the newest revision that this code knows."""
    return ScriptDirectory(str(_MIGRATIONS)).get_current_head() or ""


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
