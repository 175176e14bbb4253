"""Throw a replica's data away and let it copy the primary's anew."""

import functools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.actions.databases import Site, Work, run_on, site_of
from installer.actions.node_phases import Note, demand_gate
from installer.engine.session import Session
from installer.errors import ConfigError, NotHealthy, PhaseFailed, Problem, Refused
from installer.foresight.primary import copy_problems
from installer.phases import Phase, PhaseResult
from installer.report import Report
from installer.roles.database.maintenance import begin_copy_script, copy_script
from installer.roles.database.model import DatabaseSettings, Member
from installer.roles.database.patroni import cluster_gate, rest_password
from installer.status.model import Part
from installer.status.words import bytes_words

_BEGIN, _COPY, _FOLLOW = "reinit/begin", "reinit/copy", "reinit/replicas"
_LOOK_S = 2.0
_BEGIN_S = 180  # what Patroni is busy with is given up, and PostgreSQL stopped
_STANDSTILL_S = 600.0  # a checkpoint of the primary, which comes first, takes its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the copy on a node is."""

    state: str
    follows: bool
    size: int

    def words(self, whole: int | None = None) -> str:
        """Return it for a person; `whole` is how much the primary has."""
        of = f" of about {bytes_words(whole)}" if whole else ""
        return f"{self.state}: {bytes_words(self.size)}{of}"


def reinit_database(
    inventory: Path | None, word: str, report: Report, *, force: bool = False
) -> tuple[PhaseResult, ...]:
    """Copy a replica anew; return when it follows the primary again.

    Raises Refused for the primary, and for the last replica unless `force` accepts that. A killed
    run is gone on with by the next: the copy goes on meanwhile.
    """
    with site_of(inventory, "dbs reinit") as site:
        target = site.member(word)
        _demand_here(site, target)
        if not site.has_finished(_BEGIN, target.name):
            _demand_may_copy(site, target, force=force)
        phases = functools.partial(_phases, site, target)
        title = f"Copying the database of {target.name} anew"
        return run_on(site, target.name, title, phases, report)


def _demand_here(site: Site, target: Member) -> None:
    """Raise ConfigError when the copy cannot be watched from here."""
    if site.acting(target) == target.name:
        return
    remedy = f"run it on {target.name}, or with `-i INVENTORY` on the controller"
    raise ConfigError(
        Problem(where=target.name, what="a node copies only its own database anew", remedy=remedy)
    )


def _demand_may_copy(site: Site, target: Member, *, force: bool) -> None:
    presence = site.presence()
    if problems := list(copy_problems(site.layout, presence, target.name, force=force)):
        raise Refused(*problems)


def _phases(site: Site, target: Member, work: Work) -> Sequence[Phase]:
    is_begun = site.has_finished(_BEGIN, target.name)
    whole = _size_of_primary(site, work)

    def begin(session: Session, note: Note) -> tuple[str, ...]:
        if is_begun:
            note("begun by the run before")
            return ()
        return _begin(session, site.settings_on(session))

    def copy(session: Session, note: Note) -> tuple[str, ...]:
        return await_copy(session, copy_script(site.settings_on(session)), note, whole=whole)

    def follow(session: Session, note: Note) -> tuple[str, ...]:
        return demand_gate(cluster_gate(site.settings_on(session)), session, note)

    return (
        work.make.phase(_BEGIN, [target.name], begin),
        work.make.phase(_COPY, [target.name], copy, needs=[_BEGIN]),
        work.make.phase(_FOLLOW, [target.name], follow, needs=[_COPY]),
    )


def _begin(session: Session, db: DatabaseSettings) -> tuple[str, ...]:
    done = session.run(begin_copy_script(db), stdin_secrets=rest_password(db), timeout_s=_BEGIN_S)
    if done.code:
        raise PhaseFailed(
            Problem(
                where=session.name,
                what=f"Patroni does not begin the copy: {(done.stdout + done.stderr).strip()}",
                remedy=f"look with `journalctl -u patroni -n 50` on {session.name}",
            )
        )
    return ("throw its data away",)


def _size_of_primary(site: Site, work: Work) -> int | None:
    """Return how much there is to copy; None where the primary cannot be asked from here."""
    leader = site.presence().database_with(Part.LEADER)
    if leader is None or leader not in work.stages:
        return None
    ask = lambda session: _progress(session, copy_script(site.settings_on(session)))  # noqa: E731
    (outcome,) = work.make.engine.on_each([leader], ask).values()
    return outcome.value.size if outcome.value else None


def await_copy(
    session: Session,
    script: str,
    note: Note,
    *,
    whole: int | None = None,
    standstill_s: float = _STANDSTILL_S,
) -> tuple[str, ...]:
    """Wait until the copy follows the primary; return how much it is.

    Raises NotHealthy when nothing of it changes for too long.
    """
    seen, since = None, time.monotonic()
    while True:
        progress = _progress(session, script)
        if progress.follows:
            return (f"copy {bytes_words(progress.size)}",)
        if progress != seen:
            seen, since = progress, time.monotonic()
            note(progress.words(whole))
        elif time.monotonic() - since > standstill_s:
            raise NotHealthy(_standstill(session.name, progress, standstill_s))
        time.sleep(_LOOK_S)


def _progress(session: Session, script: str) -> Progress:
    return Progress(**json.loads(session.run(script).stdout))


def _standstill(node: str, progress: Progress, standstill_s: float) -> Problem:
    return Problem(
        where=node,
        what=f"nothing has changed for {standstill_s / 60:.0f} minutes: {progress.words()}",
        remedy=f"look with `journalctl -u patroni -n 50` on {node}; run it again to go on",
        code="copy-stands-still",
    )
