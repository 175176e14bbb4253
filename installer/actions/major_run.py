"""The phases of a change of PostgreSQL's major version, there and back.

Each finds by itself what is done already: a run that was killed is gone on with by doing all again.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from installer.actions.backup_nodes import call
from installer.actions.halt import stop_units
from installer.actions.major_record import MajorRecord
from installer.actions.major_sides import Side
from installer.actions.node_mark import mark_script
from installer.actions.node_phases import NodePhases, QuietAct, demand_gate, quiet
from installer.actions.under_way import major_mark
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem
from installer.phases import Phase
from installer.roles.database.major import (
    LONG_S,
    check_script,
    convert_script,
    end_script,
    forget_script,
    identity_script,
    leads_script,
    remove_packages_script,
    remove_script,
    statistics_script,
    stay_down_script,
)
from installer.state import NodeState, Stage

_LEADS_S = 300
_STOP_S = 300
Phases = Iterator[tuple[str, list[str], QuietAct]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """From one side to the other, with the node whose data count."""

    old: Side
    new: Side
    leader: str
    make: NodePhases
    settle_inventory: Callable[[], None]  # lets the inventory name the side that is to run

    @property
    def databases(self) -> list[str]:
        """Return the nodes with data."""
        return [*self.old.settings]

    @property
    def replicas(self) -> list[str]:
        """Return those that follow."""
        return [node for node in self.databases if node != self.leader]

    @property
    def managers(self) -> list[str]:
        """Return the nodes of managers."""
        return [node for node, roles in self.old.stages.items() if "manager" in roles]

    def in_order(self, phases: Phases) -> Iterator[Phase]:
        """Return phases one after the other; one without nodes is left out."""
        previous: tuple[str, ...] = ()
        for name, nodes, act in phases:
            if nodes:
                yield self.make.phase(name, nodes, quiet(act), needs=previous)
                previous = (name,)

    def prepare(self) -> Phases:
        """Yield what changes nothing that runs: packages beside the others, and a trial."""
        yield "postgresql/packages", self.databases, self._bring_packages
        yield "postgresql/check", [self.leader], self._check

    def forward(self) -> Phases:
        """Yield the way to the new version, until every replica follows."""
        yield from self._stop()
        yield "postgresql/convert", [self.leader], self._convert
        lead = functools.partial(self._lead, self.new, self.old)
        yield "postgresql/primary", [self.leader], lead
        yield "postgresql/settings", [self.leader], functools.partial(self._settle, self.new)
        yield "postgresql/statistics", [self.leader], self._count
        yield "postgresql/replicas", self.replicas, self._copy

    def back(self) -> Phases:
        """Yield the way to the old version, whose data have not been touched."""
        yield from self._stop()
        yield "postgresql/end conversion", [self.leader], self._end
        lead = functools.partial(self._lead, self.old, self.new)
        yield "postgresql/old primary", [self.leader], lead
        yield "postgresql/old settings", [self.leader], functools.partial(self._settle, self.old)
        yield "postgresql/old replicas", self.replicas, functools.partial(self._follow, self.old)
        remove = functools.partial(self.remove, self.new)
        yield "postgresql/remove new data", self.databases, remove

    def clean(self) -> Phases:
        """Yield what leaves nothing of the old version; it does not run."""
        yield "postgresql/remove old data", self.databases, functools.partial(self.remove, self.old)
        yield "postgresql/remove old packages", self.databases, self._remove_packages

    def _remove_packages(self, session: Session) -> tuple[str, ...]:
        package = f"postgresql-{self.old.major}"
        _run(session, remove_packages_script(self.old.settings[session.name]), LONG_S)
        return (f"remove package {package}",)

    def _bring_packages(self, session: Session) -> tuple[str, ...]:
        return _be(session, self.new.packages(session.name))

    def _check(self, session: Session) -> tuple[str, ...]:
        node = session.name
        self._note("check", node, "pg_upgrade looks whether the data can be converted")
        _run(session, check_script(self.old.settings[node], self.new.settings[node]), LONG_S)
        return ()

    def _stop(self) -> Phases:
        """Yield the end of all writing; the primary stops last, with all that was committed."""
        yield "postgresql/mark", [*self.old.stages], self._mark
        yield "postgresql/stop managers", self.managers, self._stop_managers
        yield "postgresql/stop replicas", self.replicas, self._stop_database
        yield "postgresql/stop primary", [self.leader], self._stop_database

    def _mark(self, session: Session) -> tuple[str, ...]:
        """Let nobody start anything on the node by itself."""
        begun = MajorRecord(before=self.old.major, wanted=self.new.major, leader=self.leader)
        _run(session, mark_script(major_mark(session.name, begun)))
        return ()

    def _stop_managers(self, session: Session) -> tuple[str, ...]:
        stages = reversed(self.old.stages[session.name]["manager"])
        return tuple(line for stage in stages for line in stop_units(session, stage))

    def _stop_database(self, session: Session) -> tuple[str, ...]:
        """Stop it so that no restart of its host brings the old version back meanwhile."""
        stopped = stop_units(session, self.old.patroni(session.name))
        _run(session, stay_down_script(), _STOP_S)
        return stopped

    def _convert(self, session: Session) -> tuple[str, ...]:
        node = session.name
        old, new = self.old.settings[node], self.new.settings[node]
        self._note("convert", node, f"pg_upgrade makes {new.data_dir} of {old.data_dir}")
        _run(session, convert_script(old, new), LONG_S)
        return (f"convert the data to PostgreSQL {new.release.postgresql}",)

    def _end(self, session: Session) -> tuple[str, ...]:
        node = session.name
        _run(session, end_script(self.old.settings[node], self.new.settings[node]), LONG_S)
        return ()

    def _lead(self, side: Side, other: Side, session: Session) -> tuple[str, ...]:
        """Let one side's data lead a cluster that knows nothing of the other's."""
        node, patroni = session.name, side.patroni(session.name)
        _run(session, stay_down_script(), _STOP_S)
        changes = _be(session, Stage(name=patroni.name, state=_without_units(patroni.state)))
        if side.settings[node].backup is not None:
            before = _run(session, identity_script(other.settings[node])).strip()
            if before:
                call(session, "take", "upgrade-stanza", before)
        _run(session, forget_script(), _STOP_S)
        self.settle_inventory()
        self._note("primary", node, f"start PostgreSQL {side.major}")
        changes += _be(session, Stage(name=patroni.name, state=patroni.state))
        _run(session, leads_script(), _LEADS_S)
        return changes

    def _settle(self, side: Side, session: Session) -> tuple[str, ...]:
        """Give it passwords and settings: replicas need them, gates ask for them."""
        steps = side.patroni(session.name).steps
        return tuple(step.name for step in steps if session.run_step(step).changed)

    def _count(self, session: Session) -> tuple[str, ...]:
        self._note("statistics", session.name, "vacuumdb --analyze-in-stages")
        _run(session, statistics_script(self.new.settings[session.name]), LONG_S)
        return ("count statistics",)

    def _copy(self, session: Session) -> tuple[str, ...]:
        """Let a replica copy the new primary; half a copy of a killed run goes first."""
        _run(session, stay_down_script(), _STOP_S)
        _run(session, remove_script(self.new.settings[session.name]), LONG_S)
        return self._follow(self.new, session)

    def _follow(self, side: Side, session: Session) -> tuple[str, ...]:
        patroni = side.patroni(session.name)
        changes = _be(session, Stage(name=patroni.name, state=patroni.state))
        assert patroni.gate is not None  # noqa: S101 - the stage of the role has one
        demand_gate(patroni.gate, session, functools.partial(self._note, "replicas", session.name))
        return changes

    def no_way_back(self) -> tuple[Problem, ...]:
        """Return why the old version cannot run again; nothing is changed."""
        outcomes = self.make.engine.on_each(self.databases, self._look_for_old)
        found = (outcome.error or outcome.value for outcome in outcomes.values())
        return tuple(problem for problem in found if problem is not None)

    def _look_for_old(self, session: Session) -> Problem | None:
        old = self.old.settings[session.name]
        done = session.run(f"test -e {old.data_dir}/PG_VERSION && test -x {old.bin_dir}/postgres")
        if not done.code:
            return None
        return Problem(
            where=f"{old.data_dir} on {session.name}",
            what=f"the data or the programs of PostgreSQL {self.old.major} are gone",
            remedy="stay: cfy_manager cluster upgrade --postgresql "
            f"{self.new.major}; or restore a backup on a new cluster",
            code="no-way-back",
        )

    def remove(self, side: Side, session: Session) -> tuple[str, ...]:
        """Remove a side's data from a node."""
        _run(session, remove_script(side.settings[session.name]), LONG_S)
        return (f"remove the data of PostgreSQL {side.major}",)

    def _note(self, phase: str, node: str, text: str) -> None:
        self.make.note(f"postgresql/{phase}", node, text)


def _without_units(state: NodeState) -> NodeState:
    return replace(state, units=())


def _be(session: Session, stage: Stage) -> tuple[str, ...]:
    """Bring a node to a stage's state; its gate and steps are for whoever calls."""
    bare = Stage(name=stage.name, state=stage.state)
    return session.apply(bare, session.observe([bare])).changes


def _run(session: Session, script: str, timeout_s: int = 60) -> str:
    done = session.run(script, timeout_s=timeout_s)
    if done.code:
        raise PhaseFailed(
            Problem(
                where=session.name,
                what=done.last_words(1500),
                remedy="mend it and run the same command again, or go back with --roll-back: "
                "the old data are as they were",
                code="postgresql-not-upgraded",
            )
        )
    return done.stdout
