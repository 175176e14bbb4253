"""The files of a blueprint in the tree: unpacked for workers, and gone with the blueprint."""

import uuid
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session

from manager.files.entries import Limits
from manager.files.fetch import Fetcher
from manager.files.peers import peer_files
from manager.files.tree import FileTree
from manager.files.unpack import unpack
from manager.files.upload import Upload
from manager.files.write import make_folder, remove
from manager.services.folder_writes import forget_folder, note_write, sources_of
from manager.settings import Settings
from manager.storage.models import Resource, Tenant

_ICON = "icon.png"


def unpack_limits(settings: Settings) -> Limits:
    """Return what may come out of an archive."""
    files = settings.files
    return Limits(entries=files.max_archive_entries, total_bytes=files.max_unpacked_mb * 1024**2)


def fetcher(
    session: Session, settings: Settings, folder: Path, credentials: Mapping[str, str]
) -> Fetcher:
    """Return what gets files of a folder for the caller with these credentials.

    `credentials` are HTTP headers, for instance Execution-Token and Tenant.
    """
    tree = FileTree(settings.paths.resources)
    hostname = settings.manager.hostname
    sources = sources_of(session, hostname, tree.relative(folder), is_noted=False)
    return Fetcher(
        tree=tree,
        files=peer_files(settings.manager.ca_path, settings.manager.internal_rest_port),
        peers=sources.peers,
        credentials=credentials,
        unsettled=sources.unsettled,
    )


def unpack_blueprint(session: Session, settings: Settings, tenant: str, archive: Path) -> Path:
    """Unpack a blueprint's archive to where workers look for its files; raises BadArchive.

    The archive's folder is named for the blueprint.
    """
    tree = FileTree(settings.paths.resources)
    folder = tree.blueprint(tenant, archive.parent.name)
    unpack(archive, folder, incoming=tree.incoming, limits=unpack_limits(settings))
    note_write(session, settings.manager.hostname, tree.relative(folder))
    return folder


def set_icon(
    session: Session, settings: Settings, tenant: str, blueprint_id: str, upload: Upload
) -> None:
    """Set a blueprint's icon, or remove it when the upload is empty."""
    tree = FileTree(settings.paths.resources)
    folder = tree.blueprint(tenant, blueprint_id)
    if upload.size:
        upload.keep(folder / _ICON)
    else:
        remove(folder / _ICON)
    note_write(session, settings.manager.hostname, tree.relative(folder))


def tenant_of(session: Session, resource: Resource) -> str:
    """Return the name of a resource's tenant, by which its files lie in the tree."""
    return session.get_one(Tenant, resource.tenant_id).name


def remove_archive(session: Session, settings: Settings, tenant: str, blueprint_id: str) -> None:
    """Remove a blueprint's archive, of which nothing will be made."""
    tree = FileTree(settings.paths.resources)
    _remove(session, tree, tree.archives(tenant, blueprint_id))


def remove_blueprint_files(
    session: Session, settings: Settings, tenant: str, blueprint_id: str
) -> None:
    """Remove all files of a blueprint."""
    tree = FileTree(settings.paths.resources)
    _remove(session, tree, tree.archives(tenant, blueprint_id))
    _remove(session, tree, tree.blueprint(tenant, blueprint_id))


def _remove(session: Session, tree: FileTree, folder: Path) -> None:
    """Remove a folder with the session's commit; without it, the folder is there again."""
    forget_folder(session, tree.relative(folder))
    if not folder.exists():
        return
    aside = make_folder(tree.incoming) / uuid.uuid4().hex
    folder.rename(aside)

    def forget(_session: Session) -> None:
        remove(aside)

    def restore(_session: Session) -> None:
        if aside.exists() and not folder.exists():
            aside.rename(folder)

    event.listen(session, "after_commit", forget, once=True)
    event.listen(session, "after_rollback", restore, once=True)
