"""Write a migration from what the models say beyond the migrations that exist.

`python -m tests.support.autogenerate 0003 plugin_states` compares them on a server of its own.
"""

import sys

from alembic import command
from alembic.script import ScriptDirectory

from manager.storage.database import Database
from manager.storage.schema import _config, upgrade_schema
from tests.support.postgres_server import make_server, remove_server


def write_migration(revision: str, name: str) -> None:
    """Write manager/storage/migrations/versions/<revision>_<name>.py; read it before use."""
    server = make_server()
    try:
        database = Database(server.create_database("autogenerate"))
        upgrade_schema(database.engine)
        with database.engine.begin() as connection:
            config = _config(connection)
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            head = ScriptDirectory.from_config(config).get_current_head()
            message = name.replace("_", " ")
            command.revision(
                config, message, rev_id=revision, head=head or "head", autogenerate=True
            )
        database.close()
    finally:
        remove_server(server)


if __name__ == "__main__":
    write_migration(*sys.argv[1:])
