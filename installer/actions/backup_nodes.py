"""The nodes of a cluster as backups use them: who is primary, and the programs on the nodes."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from installer.backup.backup_set import BackupSet, read_sets
from installer.config.backup_rules import NO_REPOSITORY
from installer.config.source import value_at
from installer.engine.engine import Engine
from installer.engine.outcome import Result
from installer.engine.session import Session
from installer.engine.target import target_of
from installer.errors import NodeUnreachable, PhaseFailed, Problem, Refused
from installer.inventory import Inventory, Role
from installer.roles.database.backup import command
from installer.secrets import Secret
from installer.status.model import Part
from installer.status.seen import look_around

T = TypeVar("T")
LONG_S = 12 * 3600  # of a backup or a restore: large databases over slow lines
_FOREIGN = 4  # of installer/backup/node/take.py
_NO_SECRETS: Mapping[str, Secret] = {}
_REMEDIES = {
    "backup-repository-foreign": "`cluster restore` brings that database back here; "
    "or write another backup.path",
    "backup-disk-too-small": "free space there, or name another database node with --node",
    "restore-target-not-reached": "choose an earlier moment with --target-time, or a backup with "
    "--backup",
    "backup-failed": "mend what it tells and run the same command again; nothing was given up",
}


# of PostgreSQL and pgBackRest: no more WAL is there, or the backup is of a past that was left
_NOT_REACHED = (
    "before configured recovery target",
    "is not a child of this server's history",
    "forked from backup timeline",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupNodes:
    """The nodes that answer, for the time of one command."""

    inventory: Inventory
    engine: Engine
    silent: Mapping[str, Problem]

    def databases(self) -> list[str]:
        """Return the database nodes that answer; raises NodeUnreachable where none does."""
        names = [node.name for node in self.inventory.with_role(Role.DATABASE)]
        found = [name for name in names if name not in self.silent]
        if not found:
            raise NodeUnreachable(*(self.silent[name] for name in names))
        return found

    def primary(self) -> str | None:
        """Return the node whose database takes writes; None where there is none."""
        return look_around(self.inventory).database_with(Part.LEADER)

    def ask(self, node: str, act: Callable[[Session], T]) -> T:
        """Return what `act` returns on a node; raises PhaseFailed with what went wrong."""
        if problem := self.silent.get(node):
            raise NodeUnreachable(problem)
        (outcome,) = self.engine.on_each([node], act).values()
        if outcome.error is not None:
            raise PhaseFailed(outcome.error)
        return outcome.value  # type: ignore[return-value] # it is T when there is no error

    def sets(self) -> tuple[BackupSet, ...]:
        """Return the backups that the repository holds, oldest first."""
        return self.ask(
            self.databases()[0], lambda session: read_sets(call(session, "take", "info"))
        )


@contextmanager
def backup_nodes(inventory: Inventory) -> Iterator[BackupNodes]:
    """Connect to all nodes; who does not answer is told where it is needed."""
    with Engine([target_of(node) for node in inventory.nodes]) as engine:
        silent = engine.connect()
        yield BackupNodes(inventory=inventory, engine=engine, silent=silent)


def demand_repository(inventory: Inventory) -> None:
    """Raise Refused when the inventory names no place for backups."""
    kind = value_at(inventory.settings, ("backup", "repository"))
    if kind in (None, NO_REPOSITORY):
        raise Refused(
            Problem(
                where="settings.backup.repository",
                what="the inventory names no repository for backups",
                remedy="describe one (docs/howto/back-up-and-restore.md), then `cluster install`",
                file=str(inventory.path),
                code="backup-without-repository",
            )
        )


def call(
    session: Session,
    program: str,
    *words: str,
    secrets: Mapping[str, Secret] = _NO_SECRETS,
    timeout_s: int = LONG_S,
) -> str:
    """Run one of the programs for backups on a node and return what it says. One command."""
    script = command(program, *map(shlex.quote, words))
    done = session.run(script, stdin_secrets=secrets, timeout_s=timeout_s)
    if done.code:
        raise PhaseFailed(_problem(session.name, done))
    return done.stdout


def chosen(sets: Sequence[BackupSet], label: str | None) -> BackupSet:
    """Return the backup of this label, or the newest that is whole; raises Refused."""
    whole = [one for one in sets if one.is_whole]
    if label is None and whole:
        return whole[-1]
    found = next((one for one in sets if one.label == label), None)
    if found is None:
        what = f"no backup has the label {label}" if label else "the repository holds no backup"
        raise Refused(
            Problem(
                where="the repository",
                what=what,
                remedy="`cluster backup list` shows what there is; `cluster backup` takes one",
                code="backup-missing",
            )
        )
    if not found.is_whole:
        raise Refused(
            Problem(
                where=found.label,
                what="this backup was interrupted before it was described",
                remedy="choose another, or restore to a moment with --target-time",
                code="backup-not-described",
            )
        )
    return found


def _problem(node: str, done: Result) -> Problem:
    said = done.last_words(1500)
    code = _code(done.code, said)
    return Problem(where=node, what=said, remedy=_REMEDIES[code], code=code)


def _code(exit_code: int, said: str) -> str:
    if exit_code == _FOREIGN:
        return "backup-repository-foreign"
    if "disk too small" in said:
        return "backup-disk-too-small"
    if any(words in said for words in _NOT_REACHED):
        return "restore-target-not-reached"
    return "backup-failed"
