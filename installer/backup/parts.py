"""What takes part in a backup of a cluster besides the database: one class for each thing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from installer.backup.backup_set import BackupSet, PartTaken
from installer.engine.session import Session
from installer.errors import Problem
from installer.inventory import Inventory

T = TypeVar("T")


class Store(Protocol):
    """Where parts keep their files: beside the database's backups, below the set's label.

    `pgbackrest repo-put`, `repo-get`, `repo-ls` and `repo-rm` on a database node reach every kind
    of repository, a directory, SFTP or S3, with the cluster's own encryption.
    """

    def put(self, label: str, name: str, content: bytes) -> None:
        """Keep a file of a set; one of the same name is replaced."""

    def get(self, label: str, name: str) -> bytes:
        """Return a file of a set."""

    def labels(self) -> frozenset[str]:
        """Return the labels of which there are files."""

    def remove(self, label: str) -> None:
        """Take away every file of a set; none is fine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRun:
    """What a part works with; the run holds the cluster's lock and tells what each part does."""

    inventory: Inventory
    backup: BackupSet  # the set that is taken, restored or verified
    store: Store
    tell: Callable[[str], None]  # one line of progress
    ask: "Ask"


class Ask(Protocol):
    """Reaches a node of the run."""

    def __call__(self, node: str, act: Callable[[Session], T]) -> T:
        """Return what `act` returns on a node; raises PhaseFailed with what went wrong."""


class Part(Protocol):
    """One thing that a backup holds besides the database.

    Each method may be called again after a kill, and then converges.
    """

    name: str  # as the set's description and `cluster backup list` say it

    def concerns(self, inventory: Inventory) -> bool:
        """Tell whether this cluster has the thing."""

    def take(self, run: PartRun) -> PartTaken:
        """Put it into the store, and return what was taken."""

    def restore(self, run: PartRun, taken: PartTaken) -> None:
        """Bring it back; the database is restored, no manager runs, every other service does."""

    def verify(self, run: PartRun, taken: PartTaken) -> Iterator[Problem]:
        """Yield a problem for each thing that could not be restored; nothing is changed."""
