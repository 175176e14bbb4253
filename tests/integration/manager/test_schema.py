"""Migrations: repeatable, reversible, safe when managers start together, equal to the models."""

import threading

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from manager.storage.database import Database
from manager.storage.models import Base
from manager.storage.schema import _config, head_revision, upgrade_schema

pytestmark = pytest.mark.integration


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
