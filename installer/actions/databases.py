"""Where a verb on the databases runs from: the controller of a cluster, or one of its nodes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from installer.actions.install import journaled
from installer.actions.installed import STATE, this_node
from installer.actions.members import asked_databases
from installer.actions.node import LOGS, local_job, node_inputs
from installer.actions.node_mark import hold_node
from installer.actions.node_phases import NodePhases
from installer.actions.rollout import NodeJob, RunName, StagesByRole, new_run, opened, run_told
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import hold_cluster
from installer.config.model import NodeInputs
from installer.engine.session import Session
from installer.errors import ConfigError, NotHealthy, Problem
from installer.expand.check import load_cluster
from installer.foresight.outlook import layout_now
from installer.foresight.survival import Layout
from installer.inventory import runs_folder
from installer.journal import begun_nodes, finished_nodes
from installer.phases import Phase, PhaseResult
from installer.report import Report
from installer.roles.database.model import DatabaseSettings, Member
from installer.roles.database.settings import database_settings
from installer.roles.manager.model import ManagerSettings
from installer.roles.manager.settings import manager_settings
from installer.status.members import AskedDatabase, database_presence
from installer.status.model import Part
from installer.status.presence import Presence

_ELECTION_S = 20.0  # without a primary: one is elected meanwhile, or nothing is to be done
_PATIENCE_S = 60.0  # a busy node's answer is worth waiting for before anything is changed
_FORGOTTEN = timedelta(days=1)  # what an older run knew need not be true any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The databases as they are, and the nodes that can be worked on from here."""

    journal: Path
    jobs: Sequence[NodeJob]
    layout: Layout
    look: Callable[[], list[AskedDatabase]]

    def member(self, word: str) -> Member:
        """Return the database node of this name or address; raises ConfigError without one."""
        found = [Member(name=one.name, address=one.address) for one in self.look()]
        for member in found:
            if word in (member.name, member.address):
                return member
        names = ", ".join(member.name for member in found)
        remedy = f"name one of: {names}"
        raise ConfigError(Problem(where=word, what="no database has this name", remedy=remedy))

    def presence(self) -> Presence:
        """Return what is there of the databases; an election under way is waited for.

        Raises NotHealthy when no Patroni answers.
        """
        deadline = time.monotonic() + _ELECTION_S
        while True:
            found = self.look()
            presence = database_presence(found)
            if presence.database_with(Part.LEADER):
                return presence
            if time.monotonic() > deadline:
                break
            time.sleep(1)
        if not any(one.patroni.is_good for one in found):
            raise NotHealthy(*map(_silent, found))
        return presence

    def acting(self, member: Member) -> str:
        """Return the node on which to work for a member: its own where that can be reached."""
        names = [job.inputs.name for job in self.jobs]
        return member.name if member.name in names else names[0]

    def has_begun(self, phase: str, node: str) -> bool:
        """Tell whether the last run was killed or failed after it had begun a phase on a node."""
        return (phase, node) in begun_nodes(self.journal, since=_since())

    def has_finished(self, phase: str, node: str) -> bool:
        """Tell whether the last run was killed or failed after it had finished it."""
        return (phase, node) in finished_nodes(self.journal, since=_since())

    def settings_on(self, session: Session) -> DatabaseSettings:
        """Return what the database role knows on a node of the jobs."""
        return database_settings(self._inputs(session), session.observe(()).facts)

    def manager_on(self, session: Session) -> ManagerSettings:
        """Return what the manager role knows on a node of the jobs."""
        return manager_settings(self._inputs(session), session.observe(()).facts)

    def _inputs(self, session: Session) -> NodeInputs:
        return next(job.inputs for job in self.jobs if job.inputs.name == session.name)


@dataclass(frozen=True, slots=True)
class Work:
    """What the phases of a run are made with."""

    make: NodePhases
    stages: StagesByRole

    def having(self, role: str) -> tuple[str, ...]:
        """Return the nodes of a role that can be worked on."""
        return tuple(node for node, roles in self.stages.items() if role in roles)


@contextmanager
def site_of(inventory_path: Path | None, command: str) -> Iterator[Site]:
    """Yield the databases of an inventory, else those of this node, under the lock."""
    name = command.replace(" ", "-")
    if inventory_path is None:
        job = local_job(node_inputs(this_node()))
        demand_database(job.inputs.config)
        addresses = job.inputs.config["postgresql_server"]["cluster"]["nodes"]
        layout = Layout(
            databases=tuple(addresses or (job.inputs.name,)), synchronous_mode=_mode(job)
        )
        with hold_node(command), logged_to(LOGS, name):
            yield _site(STATE, name, [job], layout, None)
        return
    inventory = load_cluster(inventory_path)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, command), logged_to(folder, name):
        cluster = open_running(inventory)
        yield _site(folder, name, cluster.jobs(), layout_now(inventory), inventory_path)


def _site(
    folder: Path, name: str, jobs: Sequence[NodeJob], layout: Layout, inventory: Path | None
) -> Site:
    return Site(
        journal=folder / f"{name}.jsonl",
        jobs=jobs,
        layout=layout,
        look=lambda: asked_databases(inventory, timeout_s=_PATIENCE_S),
    )


def demand_database(config: Mapping[str, object]) -> None:
    """Raise ConfigError on a node that is no database."""
    services = config["services_to_install"]
    assert isinstance(services, Sequence)  # noqa: S101 - of a valid configuration
    if "database_service" not in services:
        what = "this node is no database: it cannot command the others"
        remedy = "run it on a database node, or with `-i INVENTORY` on the controller"
        raise ConfigError(Problem(where="services_to_install", what=what, remedy=remedy))


def run_on(
    site: Site,
    needed: str,
    title: str,
    phases_of: Callable[[Work], Sequence[Phase]],
    report: Report,
) -> tuple[PhaseResult, ...]:
    """Run the phases that are made of the site's nodes, told and kept in its journal.

    Those that are away have no part in them; raises NodeUnreachable where that is the one needed.
    """
    with (
        opened(site.jobs, [needed]) as (engine, stages),
        journaled(site.journal, report) as notify,
    ):
        name = RunName(new_run(), title)
        make = NodePhases(engine=engine, notify=notify, run=name.run)
        phases = phases_of(Work(make, stages))
        return run_told(phases, notify, name, abort=engine.close)


def _silent(one: AskedDatabase) -> Problem:
    return Problem(
        where=one.name,
        what=f"Patroni does not tell how it is: {one.patroni.words}",
        remedy=f"`journalctl -u patroni -n 50` on {one.name}",
        code="patroni-silent",
    )


def _mode(job: NodeJob) -> str:
    return str(job.inputs.config["postgresql_server"]["cluster"]["synchronous_mode"])


def _since() -> datetime:
    return datetime.now(UTC) - _FORGOTTEN
