"""Let another database lead, as a planned switchover that clients see the end of."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from installer.actions.databases import Site, Work, run_on, site_of
from installer.actions.node_phases import Note, demand_gate, run_step
from installer.engine.session import Session
from installer.errors import Refused
from installer.foresight.primary import switchover_problems
from installer.phases import Phase, PhaseResult
from installer.report import Report
from installer.roles.database.maintenance import switchover_step, writes_gate
from installer.roles.database.model import Member
from installer.roles.database.patroni import cluster_gate
from installer.roles.manager.state import works_gate
from installer.state import Gate
from installer.status.model import Part

_SWITCHOVER, _WRITES = "primary/switchover", "primary/writes"
_FOLLOW, _MANAGERS, _BALANCERS = "primary/replicas", "primary/managers", "primary/loadbalancers"


def set_master(inventory: Path | None, word: str, report: Report) -> tuple[PhaseResult, ...]:
    """Let a database lead; return when writes come through and its clients have found it.

    Raises Refused when it may not lead. A killed run is gone on with by the next.
    """
    with site_of(inventory, "dbs set-master") as site:
        target = site.member(word)
        leader = _demand_may_lead(site, target)
        phases = functools.partial(_phases, site, target, leader)
        title = f"Letting {target.name} lead in place of {leader}"
        return run_on(site, site.acting(target), title, phases, report)


def _demand_may_lead(site: Site, target: Member) -> str:
    """Return who leads now; that is the target where the run before was killed."""
    presence = site.presence()
    leader = presence.database_with(Part.LEADER)
    is_resumed = site.has_begun(_SWITCHOVER, site.acting(target)) and leader == target.name
    problems = [] if is_resumed else list(switchover_problems(site.layout, presence, target.name))
    if problems:
        raise Refused(*problems)
    return str(leader)


def _phases(site: Site, target: Member, leader: str, work: Work) -> Sequence[Phase]:
    acting = [site.acting(target)]

    def switch(session: Session, note: Note) -> tuple[str, ...]:
        step = switchover_step(site.settings_on(session), leader, target.name)
        return run_step(step, session, note)

    def write(session: Session, note: Note) -> tuple[str, ...]:
        return demand_gate(writes_gate(site.settings_on(session)), session, note)

    def follow(session: Session, note: Note) -> tuple[str, ...]:
        return demand_gate(cluster_gate(site.settings_on(session)), session, note)

    return (
        work.make.phase(_SWITCHOVER, acting, switch),
        work.make.phase(_WRITES, acting, write, needs=[_SWITCHOVER]),
        work.make.phase(_FOLLOW, acting, follow, needs=[_SWITCHOVER]),
        *_client_phases(site, work),
    )


def _client_phases(site: Site, work: Work) -> Iterator[Phase]:
    """Yield the phases in which managers, then load balancers, find the new primary."""
    needs = [_WRITES]
    if managers := work.having("manager"):

        def find(session: Session, note: Note) -> tuple[str, ...]:
            return demand_gate(works_gate(site.manager_on(session)), session, note)

        yield work.make.phase(_MANAGERS, managers, find, needs=needs)
        needs = [_MANAGERS]
    gates = {node: gate for node in work.having("loadbalancer") if (gate := _settled(work, node))}
    if gates:

        def see(session: Session, note: Note) -> tuple[str, ...]:
            return demand_gate(gates[session.name], session, note)

        yield work.make.phase(_BALANCERS, gates, see, needs=needs)


def _settled(work: Work, node: str) -> Gate | None:
    return next((s.settled for s in work.stages[node]["loadbalancer"] if s.settled), None)
