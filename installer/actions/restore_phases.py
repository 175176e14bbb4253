"""What a restore does on the nodes, phase by phase: the database, its replicas, the parts."""

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass

from installer.actions.backup import demand_rows
from installer.actions.backup_nodes import BackupNodes, call
from installer.actions.backup_parts import restore_parts
from installer.actions.halt import start_units, stop_units
from installer.actions.node_phases import NodePhases, QuietAct
from installer.actions.restore_target import Target
from installer.actions.rollout import StagesByRole
from installer.backup.settings import WORK
from installer.backup.streams import told
from installer.backup.unsettled import addresses_by_kind, unsettle
from installer.engine.session import Session
from installer.errors import PhaseFailed
from installer.inventory import Role
from installer.state import Stage

PLACE = f"{WORK}/restore"
TRIAL = "restore/trial"
STOP_MANAGERS, STOP_REPLICAS = "restore/stop/manager", "restore/stop/replicas"
LEAD = "restore/primary"
_CLEAR, _REPLICAS, _PARTS, _MANAGERS = (
    f"restore/{word}" for word in ("clear", "replicas", "parts", "managers")
)
_PATRONI = "database/patroni"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """The phases of one restore."""

    nodes: BackupNodes
    make: NodePhases
    stages: StagesByRole
    target: Target
    node: str  # where the backup is restored; it leads afterwards
    begun: str  # names the restore: what was kept for it stays through all its tries

    @property
    def kept(self) -> str:
        """Return the folder where the former database is kept."""
        return f"{self._data}.before-restore"

    @property
    def _data(self) -> str:
        return self._patroni(self.node).state.data[0]

    def phases(self) -> Iterator[tuple[str, list[str], QuietAct]]:
        """Yield name, nodes and work of each phase."""
        databases = [node.name for node in self.nodes.inventory.with_role(Role.DATABASE)]
        others = [name for name in databases if name != self.node]
        yield TRIAL, [self.node], self._try
        managers = [n.name for n in self.nodes.inventory.with_role(Role.MANAGER)]
        if managers:
            yield STOP_MANAGERS, managers, functools.partial(self._stop, "manager")
        if others:
            yield STOP_REPLICAS, others, self._stop_patroni
        yield LEAD, [self.node], self._lead
        yield f"{LEAD}/settings", [self.node], self._settle
        if others:
            yield _CLEAR, others, self._clear
            yield _REPLICAS, others, self._follow
        sets = (self.target.backup, *self.target.others)
        if any(one.parts for one in sets):
            parts = functools.partial(restore_parts, self.nodes, self.make, sets)
            yield _PARTS, [self.node], parts
        if managers:
            nodes = addresses_by_kind(self.nodes.inventory)
            yield _MANAGERS, managers, functools.partial(unsettle, nodes, managers[0])

    def _patroni(self, node: str) -> Stage:
        return next(s for s in self.stages[node]["database"] if s.name == _PATRONI)

    def _try(self, session: Session) -> tuple[str, ...]:
        """Restore and recover beside the database; what cannot be reached is found out here."""
        target = self.target
        self._close_archive(session)
        self.make.note(TRIAL, session.name, f"restore {target.backup.label} into {PLACE}")
        label = (target.backup.label,) if target.kind == "name" else ()
        words = ("restore", PLACE, target.kind, target.value or "-", *label)
        try:
            told = json.loads(call(session, "recover", *words))
            if target.kind == "name":
                demand_rows(session.name, target.backup, told["rows"])
        except PhaseFailed:
            call(session, "recover", "remove", PLACE)  # as large as the database
            raise
        rows = sum(told.get("rows", {}).values())
        counted = f", {rows} rows" if rows else ""
        return (f"restore {target.backup.label} in {told['seconds']:.0f} s{counted}",)

    def _close_archive(self, session: Session) -> None:
        """Let a primary that lives archive all it has: the moment may be seconds ago.

        Where it cannot, only the end of the archive is nothing that may be restored: commits would
        be lost that nobody gave up. Whether a moment is in it, the trial finds out.
        """
        primary = self.nodes.primary()
        if primary is None or self.target.kind == "name":
            return
        try:
            self.nodes.ask(primary, lambda s: call(s, "take", "archive-all"))
        except PhaseFailed as error:
            if self.target.kind == "default":
                raise
            what = f"{primary} does not archive its WAL: {error.problems[0].what}"
            self.make.note(TRIAL, session.name, what)

    def _stop(self, role: str, session: Session) -> tuple[str, ...]:
        stages = reversed(self.stages[session.name][role])
        return tuple(line for stage in stages for line in stop_units(session, stage))

    def _stop_patroni(self, session: Session) -> tuple[str, ...]:
        return stop_units(session, self._patroni(session.name))

    def _lead(self, session: Session) -> tuple[str, ...]:
        """Put what was restored in the database's place, and let it lead a cluster anew."""
        stopped = self._stop_patroni(session)
        call(session, "recover", "exchange", PLACE, self._data, self.kept, self.begun)
        self.make.note(LEAD, session.name, "recover to the target and take writes")
        call(session, "recover", "promote", self._data)
        _run(session, _FORGET)
        started = start_units(session, _without_gate(self._patroni(session.name)))
        _run(session, _LEADS, timeout_s=120)
        return (*stopped, f"keep the former data in {self.kept}", *started)

    def _settle(self, session: Session) -> tuple[str, ...]:
        """Give the primary today's passwords and settings: replicas need them, gates ask for them.

        The backup may be of a cluster of another size.
        """
        steps = self._patroni(session.name).steps
        return tuple(step.name for step in steps if session.run_step(step).changed)

    def _clear(self, session: Session) -> tuple[str, ...]:
        """Take away what a replica has: it belongs to another past."""
        stopped = self._stop_patroni(session)
        removed = call(session, "recover", "remove", self._data).splitlines()
        return (*stopped, *(f"remove {path}" for path in removed))

    def _follow(self, session: Session) -> tuple[str, ...]:
        """Let a replica copy the new primary; a copy that is under way goes on."""
        return start_units(session, self._patroni(session.name))


# Patroni writes these keys anew; the old ones name another past of the database. Its own tool asks
# for the cluster's name and a sentence.
_FORGET = """\
printf 'postgres\\nYes I am aware\\n' \
    | patronictl -c /etc/patroni/config.yml remove postgres
"""
_LEADS = """\
until setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -h /run/postgresql \
    -c 'SELECT pg_is_in_recovery()' 2> /dev/null | grep -qx f; do sleep 0.5; done
"""


def _without_gate(stage: Stage) -> Stage:
    return Stage(name=stage.name, state=stage.state)


def _run(session: Session, script: str, *, timeout_s: int = 60) -> None:
    remedy = f"`journalctl -u patroni -n 50` on {session.name}; then run this again"
    told(session, script, timeout_s=timeout_s, remedy=remedy, code="restore-failed")
