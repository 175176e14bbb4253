"""Have a blueprint's files on this manager: from its own tree, or from another manager's.

Replication brings them by itself, but seconds later; workflows do not wait for it.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from manager.errors import NotFound
from manager.files.entries import Limits
from manager.files.peers import Peer, PeerFiles, PeerSilent, chunks
from manager.files.tree import FILE_MODE, FORMATS, FileTree
from manager.files.unpack import unpack
from manager.files.write import draft, publish


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Gets files for one caller, whose `credentials` the other managers ask for."""

    tree: FileTree
    files: PeerFiles
    peers: tuple[Peer, ...]
    credentials: Mapping[str, str]
    unsettled: frozenset[str] = frozenset()

    def archive(self, tenant: str, blueprint_id: str) -> Path:
        """Return a blueprint's archive on this manager; raises as `locate_archive` does."""
        if found := self.tree.archive(tenant, blueprint_id):
            return found
        path, peer = self.locate_archive(tenant, blueprint_id)
        self._fetch(path, peer)
        return path

    def locate_archive(self, tenant: str, blueprint_id: str) -> tuple[Path, Peer]:
        """Return where a blueprint's archive belongs, and another manager that has it.

        Raises NotFound when none has it, Unavailable when one that may have it is away.
        """
        folder = self.tree.archives(tenant, blueprint_id)
        for path in (folder / f"{blueprint_id}.{name}" for name in FORMATS):
            peer = self.files.find(
                self.url_path(path), self.peers, self.credentials, self.unsettled
            )
            if peer is not None:
                return path, peer
        raise NotFound(f"The archive of blueprint {blueprint_id} is on no manager")

    def url_path(self, path: Path) -> str:
        """Return a path of the tree as URLs below /resources have it."""
        return quote(self.tree.relative(path))

    def file(self, path: Path) -> Path:
        """Return a file of the tree on this manager.

        Raises NotFound when no manager has it, Unavailable when one that may have it is away.
        """
        if path.is_file():
            return path
        url_path = self.url_path(path)
        peer = self.files.find(url_path, self.peers, self.credentials, self.unsettled)
        if peer is None:
            raise NotFound(f"/resources/{url_path} is on no manager")
        self._fetch(path, peer)
        return path

    def blueprint(self, tenant: str, blueprint_id: str, *, limits: Limits | None = None) -> Path:
        """Return a blueprint's folder on this manager, unpacked here when it is absent."""
        folder = self.tree.blueprint(tenant, blueprint_id)
        if folder.is_dir():
            return folder
        archive = self.archive(tenant, blueprint_id)
        return unpack(archive, folder, incoming=self.tree.incoming, limits=limits)

    def _fetch(self, target: Path, peer: Peer) -> None:
        with self.files.open(self.url_path(target), peer, self.credentials) as reply:
            if not reply.ok:
                raise PeerSilent(f"{peer.hostname} answers {reply.status_code}")
            self._store(chunks(reply), target)

    def _store(self, content: Iterable[bytes], target: Path) -> None:
        with draft(self.tree.incoming) as path:
            with path.open("xb") as file:
                for chunk in content:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            path.chmod(FILE_MODE)
            publish(path, target)
