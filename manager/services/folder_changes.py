"""Write and delete files of deployments, as workers and plugins ask for it."""

from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from manager.errors import BadParameters, NotFound
from manager.files.tree import FileTree
from manager.files.unpack import extract
from manager.files.upload import Upload
from manager.files.write import draft, make_folder, publish, remove
from manager.services.blueprint_files import unpack_limits
from manager.services.file_access import Place
from manager.services.folder_writes import note_write
from manager.settings import Settings


def store_file(
    session: Session, settings: Settings, place: Place, upload: Upload, *, must_extract: bool
) -> None:
    """Put an upload at a place; an archive to be extracted adds its files to a folder.

    Raises BadParameters for a file without a name, BadArchive for what is no archive.
    """
    if place.is_folder and not must_extract:
        raise BadParameters("A file needs a name: the path ends with a slash")
    try:
        _store(settings, place.path(settings.paths.resources), upload, must_extract=must_extract)
    except (IsADirectoryError, NotADirectoryError) as error:
        raise BadParameters(
            f"/resources/{place.url_path} would be a file and a folder at once"
        ) from error
    note_write(session, settings.manager.hostname, place.folder)


def delete_file(session: Session, settings: Settings, place: Place) -> bool:
    """Delete a file or folder and tell whether there was one."""
    path = place.path(settings.paths.resources)
    _require_no_links(settings.paths.resources, path)
    if not path.exists():
        return False
    remove(path)
    note_write(session, settings.manager.hostname, place.folder)
    return True


def _store(settings: Settings, path: Path, upload: Upload, *, must_extract: bool) -> None:
    if must_extract:
        _extract(settings, upload, path)
        return
    _require_no_links(settings.paths.resources, path)
    upload.keep(path, _modified_s(upload.fields.get("mtime")))


def _extract(settings: Settings, upload: Upload, target: Path) -> None:
    incoming = FileTree(settings.paths.resources).incoming
    with draft(incoming) as folder:
        extract(upload.path, folder, limits=unpack_limits(settings))
        make_folder(target)
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            destination = target / path.relative_to(folder)
            _require_no_links(settings.paths.resources, destination)
            publish(path, destination)


def _require_no_links(root: Path, path: Path) -> None:
    """Raise NotFound when a link on the way leads elsewhere: code on a manager can make one."""
    parent = path.parent
    if parent.resolve() != root.resolve() / parent.relative_to(root):
        raise NotFound(f"{path.relative_to(root).as_posix()} is behind a link")


def _modified_s(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadParameters(f"mtime is not an ISO 8601 time: {text[:100]!r}") from error
