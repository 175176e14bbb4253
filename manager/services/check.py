"""Find what keeps this manager from working."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from manager.services.bootstrap import BootstrapSecrets, token_problems
from manager.services.registration import registration_problems
from manager.settings import Settings
from manager.storage.schema import Kind, current_revision, missing_revisions


def database_problems(
    session: Session, settings: Settings, secrets: BootstrapSecrets
) -> Iterator[str]:
    """Yield what the database lacks: the schema, entries of this manager and of the nodes, tokens.

    Nothing is wrong exactly when another bootstrap would change nothing.
    """
    connection = session.connection()
    if missing := missing_revisions(connection, (Kind.EXPAND,)):
        revision, need = current_revision(connection) or None, ", ".join(missing)
        yield f"the schema is at {revision}, the code needs {need}: python -m manager bootstrap"
        return
    yield from registration_problems(session, settings)
    yield from token_problems(session, settings, secrets.reporter_tokens)


def file_problems(settings: Settings) -> Iterator[str]:
    """Yield the files that manager.yaml names and that are absent."""
    for path in _needed_files(settings):
        if not path.is_file():
            yield f"{path} is absent"


def _needed_files(settings: Settings) -> list[Path]:
    files = [settings.manager.ca_path, settings.rabbitmq.ca_path]
    database = settings.database
    files += [p for p in (database.ca_path, database.cert_path, database.key_path) if p]
    if settings.file_sync.enabled:
        files.append(settings.file_sync.home / "cert.pem")
    return files
