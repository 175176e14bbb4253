"""To which backup or moment a cluster is restored, and from which backup that begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from installer.actions.backup_nodes import chosen
from installer.backup.backup_set import BackupSet
from installer.errors import Problem, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """To which backup or moment; neither is the end of the archive."""

    label: str | None = None
    moment: datetime | None = None  # aware

    @property
    def words(self) -> str:
        """Return it for a person."""
        if self.moment is not None:
            return f"{self.moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"the backup {self.label}" if self.label else "the end of the archive"

    @property
    def options(self) -> list[str]:
        """Return the options of a command line that ask for it."""
        if self.moment is not None:
            return ["--target-time", self.moment.isoformat()]
        return ["--backup", self.label] if self.label else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A request in pgBackRest's words, and the backup that it begins with."""

    kind: str  # name, time or default
    value: str
    backup: BackupSet
    others: tuple[BackupSet, ...] = ()  # for parts: the first one after a moment, then older ones


def find_target(sets: Sequence[BackupSet], request: RestoreRequest) -> Target:
    """Return what to restore; raises Refused when the backups do not reach there."""
    if request.moment is None:
        backup = chosen(sets, request.label)
        older = _older(sets, backup)
        if request.label is None:
            return Target(kind="default", value="", backup=backup, others=older)
        return Target(kind="name", value=backup.restore_point, backup=backup, others=older)
    moment = request.moment.astimezone(UTC)
    if moment > datetime.now(UTC):
        raise Refused(_moment_problem(moment, "it is in the future", "name a past moment"))
    second = moment.replace(microsecond=0)  # pgBackRest knows the end of a backup to the second
    before = [one for one in sets if one.finished < second]
    if not before:
        first = f"the first one ended at {sets[0].finished:%Y-%m-%d %H:%M:%S} UTC" if sets else ""
        what = f"no backup is older than that moment{': ' + first if first else ''}"
        raise Refused(_moment_problem(moment, what, "choose a later moment, or --backup LABEL"))
    younger = [one for one in sets if one.finished >= moment and one.is_whole][:1]
    return Target(
        kind="time",
        value=f"{moment:%Y-%m-%d %H:%M:%S.%f+00}",
        backup=before[-1],
        others=(*younger, *_older(sets, before[-1])),
    )


def _older(sets: Sequence[BackupSet], backup: BackupSet) -> tuple[BackupSet, ...]:
    """Return the backups before one, the newest first."""
    return tuple(one for one in reversed(sets) if one.finished < backup.finished)


def _moment_problem(moment: datetime, what: str, remedy: str) -> Problem:
    return Problem(
        where=f"--target-time {moment:%Y-%m-%d %H:%M:%S} UTC",
        what=what,
        remedy=remedy,
        code="restore-target-unknown",
    )
