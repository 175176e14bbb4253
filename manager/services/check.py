"""Find what keeps this manager from working."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from manager.settings import Settings
from manager.storage.models import Manager


def database_problems(settings: Settings, session: Session, head: str) -> Iterator[str]:
    """Yield what the database lacks: the schema, this manager's entry."""
    revision = session.scalar(text("SELECT version_num FROM alembic_version"))
    if revision != head:
        yield f"the schema is at {revision}, the code needs {head}: python -m manager migrate"
        return
    hostname = settings.manager.hostname
    if session.scalar(select(Manager.id).where(Manager.hostname == hostname)) is None:
        yield f"{hostname} is not registered: python -m manager bootstrap"


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
