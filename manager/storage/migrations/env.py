"""Alembic's environment: the connection comes from `manager.storage.schema`."""

from alembic import context

from manager.storage.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
