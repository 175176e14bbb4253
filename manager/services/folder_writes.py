"""Who wrote into which folder of the file tree: whom to ask for what has not arrived yet."""

from dataclasses import dataclass, field

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from manager.files.peers import Peer
from manager.storage.models import FolderWrite, Manager

_NEWER_S = 60  # after a write elsewhere, a copy that is here may be older
_UNSETTLED_S = 600  # after a write, its files may still be on no other manager


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Which other managers may have what a folder holds, the likeliest first.

    `are_newer` tells that the first has written so lately that its files come before our own;
    `unsettled` are those who may be the only ones that have something.
    """

    peers: tuple[Peer, ...] = ()
    are_newer: bool = False
    unsettled: frozenset[str] = field(default_factory=frozenset)


def note_write(session: Session, hostname: str, folder: str) -> None:
    """Tell the other managers, with this session's commit, that `folder` was written here."""
    values = {"folder": folder, "hostname": hostname, "written_at": func.clock_timestamp()}
    session.execute(
        insert(FolderWrite)
        .values(values)
        .on_conflict_do_update(index_elements=["folder", "hostname"], set_=values)
    )


def forget_folder(session: Session, folder: str) -> None:
    """Forget who wrote into a folder that is deleted."""
    session.execute(delete(FolderWrite).where(FolderWrite.folder == folder))


def sources_of(session: Session, hostname: str, folder: str, *, is_noted: bool) -> Sources:
    """Return which managers other than `hostname` may have files of `folder`.

    `is_noted`: every write there is noted, so a folder that nobody else wrote into has no files
    elsewhere. Otherwise each manager may have them.
    """
    ages = _ages_of_writes(session, folder)
    if is_noted and not ages.keys() - {hostname}:
        return Sources()
    managers = session.execute(
        select(Manager.hostname, Manager.private_ip).where(Manager.hostname != hostname)
    )
    never = float("inf")
    peers = sorted(
        (Peer(hostname=name, address=address) for name, address in managers),
        key=lambda peer: (ages.get(peer.hostname, never), peer.hostname),
    )
    newest = ages.get(peers[0].hostname, never) if peers else never
    return Sources(
        peers=tuple(peers),
        are_newer=newest < min(_NEWER_S, ages.get(hostname, never)),
        unsettled=frozenset(name for name, age_s in ages.items() if age_s < _UNSETTLED_S),
    )


def _ages_of_writes(session: Session, folder: str) -> dict[str, float]:
    age_s = func.extract("epoch", func.clock_timestamp() - FolderWrite.written_at)
    query = select(FolderWrite.hostname, age_s).where(FolderWrite.folder == folder)
    return {hostname: float(age_s) for hostname, age_s in session.execute(query)}
