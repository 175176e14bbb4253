"""Migrations: repeatable, reversible, safe when managers start together, equal to the models."""

import shutil
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from manager.storage import schema
from manager.storage.database import Database
from manager.storage.models import Base
from manager.storage.schema import (
    Kind,
    _config,
    expand_schema,
    head_revision,
    missing_revisions,
    upgrade_schema,
)

pytestmark = pytest.mark.integration

PAIR = sorted((Path(__file__).parents[2] / "support" / "migrations").glob("*.py"))


@pytest.fixture
def empty(empty_database):
    database = Database(empty_database)
    yield database
    database.close()


def test_migrations_lead_to_what_the_models_say(empty):
    upgrade_schema(empty.engine)

    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_second_migration_changes_nothing(empty):
    assert upgrade_schema(empty.engine) == head_revision()
    assert upgrade_schema(empty.engine) == head_revision()


def test_managers_that_start_together_migrate_once(empty_database):
    revisions, barrier = [], threading.Barrier(4)

    def migrate():
        database = Database(empty_database)
        barrier.wait()
        revisions.append(upgrade_schema(database.engine))
        database.close()

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert revisions == [head_revision()] * 4


def test_migrations_can_be_undone(empty):
    upgrade_schema(empty.engine)

    with empty.engine.begin() as connection:
        command.downgrade(_config(connection), "base")

    assert inspect(empty.engine).get_table_names() == ["alembic_version"]


@pytest.fixture
def next_release(monkeypatch, tmp_path):
    """Return what makes this process the code of a release with two more revisions."""

    def begin():
        folder = tmp_path / "migrations"
        shutil.copytree(schema._MIGRATIONS, folder)
        for path in PAIR:
            shutil.copy(path, folder / "versions")
        monkeypatch.setattr(schema, "_MIGRATIONS", folder)

    return begin


def test_an_upgrade_expands_before_new_managers_start_and_contracts_after(empty, next_release):
    upgrade_schema(empty.engine)
    next_release()

    assert expand_schema(empty.engine) == "0004"
    assert column(empty, "colour")["nullable"]
    assert upgrade_schema(empty.engine) == "0005"
    assert not column(empty, "colour")["nullable"]


def test_old_managers_write_while_the_schema_is_expanded(empty, next_release):
    upgrade_schema(empty.engine)
    before = {c["name"] for c in inspect(empty.engine).get_columns("sites")}
    next_release()
    expand_schema(empty.engine)

    added = [c for c in inspect(empty.engine).get_columns("sites") if c["name"] not in before]
    assert [c["name"] for c in added if not c["nullable"] and c["default"] is None] == []


def test_code_of_the_release_before_leaves_a_newer_schema_alone(empty, next_release, monkeypatch):
    old = schema._MIGRATIONS
    upgrade_schema(empty.engine)
    next_release()
    expand_schema(empty.engine)
    monkeypatch.setattr(schema, "_MIGRATIONS", old)

    assert expand_schema(empty.engine) == "0004"
    with empty.engine.connect() as connection:
        assert missing_revisions(connection) == []


def test_an_empty_database_gets_the_whole_schema_at_once(empty, next_release):
    next_release()

    assert expand_schema(empty.engine) == "0005"


def test_no_revision_that_expands_follows_one_that_contracts(next_release):
    """Else the one that contracts would have to run while old managers still do."""
    next_release()
    scripts = ScriptDirectory(str(schema._MIGRATIONS))

    for script in scripts.walk_revisions():
        if schema.kind_of(script) is Kind.EXPAND:
            needed = schema._with_needed(scripts, {script.revision})
            kinds = {schema.kind_of(scripts.get_revision(name)) for name in needed}
            assert kinds == {Kind.EXPAND}, script.revision


def column(database, name):
    columns = inspect(database.engine).get_columns("sites")
    return next(c for c in columns if c["name"] == name)
