"""Install or converge: a whole cluster from the controller, or one node by itself."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from installer.actions.adopt import adopt
from installer.actions.cluster import Cluster, open_cluster
from installer.actions.machines import remember_machines
from installer.actions.on_drift import Ask, OnDrift, decide
from installer.actions.options import RunOptions
from installer.actions.plan import Promise, open_promise
from installer.actions.preflight import admit, network_of, wanted_of
from installer.actions.rollout import Look, Survey, roll_out, survey
from installer.actions.run_log import logged_to
from installer.actions.transfer import transfer_phases
from installer.actions.under_way import hold_cluster
from installer.engine.engine import Engine
from installer.engine.observation import NodeFacts
from installer.errors import PreflightError
from installer.events import Event, Listener
from installer.expand.check import load_cluster, warning_lines
from installer.inventory import Inventory, runs_folder
from installer.journal import Journal
from installer.phases import PhaseResult
from installer.preflight.codes import CODES
from installer.preflight.examination import demand_known
from installer.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a run over a cluster did."""

    cluster: Cluster
    results: tuple[PhaseResult, ...]
    commands: dict[str, int]  # remote commands by node
    seconds: float
    log_path: Path

    @property
    def changes(self) -> int:
        """Return how many things the run changed on all nodes."""
        return sum(len(result.changes) for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """What the operator asked of an install."""

    options: RunOptions = field(default_factory=RunOptions)
    plan: Path | None = None  # a saved plan, with its own choice of phases
    on_drift: OnDrift | None = None
    ask: Ask = lambda *_: OnDrift.OVERWRITE


def install_cluster(inventory_path: Path, request: InstallRequest, report: Report) -> Installed:
    """Bring every node of an inventory to its state; a second call changes nothing.

    With a saved plan it does exactly that, and raises Refused before any change when the
    configuration or a node is not as it was when the plan was made.
    """
    demand_known(request.options.waived, CODES)
    inventory = load_cluster(inventory_path)
    folder = runs_folder(inventory)
    with (
        hold_cluster(inventory, "cluster install"),  # first: two runs must not make secrets
        logged_to(folder, "install") as log_path,
    ):
        for line in warning_lines(inventory):
            report.tell(line)
        return converge(inventory, request, report, log_path)


def converge(
    inventory: Inventory, request: InstallRequest, report: Report, log_path: Path
) -> Installed:
    """Bring every node to its state; whoever calls holds the lock."""
    began, folder = time.monotonic(), runs_folder(inventory)
    promise = open_promise(request.plan, inventory) if request.plan else None
    options = _options(request, promise)
    cluster = open_cluster(inventory, save=promise is None)
    look, shows = _admission(cluster, options, report), request.on_drift is OnDrift.ASK
    with survey(cluster.jobs(), look=look, with_content=shows) as seen:
        cluster, seen = _decided(cluster, seen, request, promise)
        with journaled(folder / "journal.jsonl", report) as notify:
            first = transfer_phases(cluster, seen.limited_to(options))
            ruled = replace(seen, inventory=cluster.inventory)
            results = roll_out(ruled, options, notify, first=first)
        commands = {node: seen.engine.session(node).commands for node in cluster.inputs}
    return Installed(
        cluster=cluster,
        results=results,
        commands=commands,
        seconds=time.monotonic() - began,
        log_path=log_path,
    )


def _options(request: InstallRequest, promise: Promise | None) -> RunOptions:
    if promise is None:
        return request.options
    return replace(request.options, only=promise.plan.only, skip=promise.plan.skip)


def _decided(
    cluster: Cluster, seen: Survey, request: InstallRequest, promise: Promise | None
) -> tuple[Cluster, Survey]:
    """Return the cluster and the nodes with every decision on changed files in force."""
    if promise is None:
        _demand_possible(seen)  # first: nobody is asked in vain
        decisions = decide(seen, request.on_drift, request.ask)
    else:
        decisions = decide(seen, promise.on_drift, request.ask)
        promise.demand(cluster, seen, decisions)
        _demand_possible(seen)
        cluster = open_cluster(cluster.inventory, save=True)
        seen = seen.beside(cluster.jobs())
    if decisions.adopt:
        cluster = open_cluster(adopt(cluster, seen, decisions.adopt), save=True)
        seen = seen.looked_again(cluster.jobs())
    decisions.remember(seen)
    return cluster, decisions.applied_to(seen)


def _demand_possible(seen: Survey) -> None:
    if refusals := seen.refusals():
        raise PreflightError(*refusals)


def _admission(cluster: Cluster, options: RunOptions, report: Report) -> Look:
    """Return what asks every check first, and then remembers which machines the nodes are."""
    inventory = cluster.inventory
    waived = {*options.waived, *inventory.waive}

    def look(engine: Engine) -> Mapping[str, NodeFacts]:
        examined = admit(engine, wanted_of(cluster), waived, report.tell, network_of(cluster))
        remember_machines(runs_folder(inventory), examined.machine_ids())
        return examined.node_facts()

    return look


@contextmanager
def journaled(path: Path, report: Report) -> Iterator[Listener]:
    """Yield what takes the run's events: the journal first, then the report.

    A run that never finished is told before the new one begins.
    """
    journal = Journal(path)

    def notify(event: Event) -> None:
        journal.write(event)
        report.show(event)

    try:
        if left := journal.interrupted():
            report.tell(f"The run {left.run} never finished; {left}. This run goes on from there.")
        with report.running():
            yield notify
    finally:
        journal.close()
