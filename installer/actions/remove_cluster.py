"""Take a cluster away from all its hosts: services stop, clients first, then everything goes."""

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from installer.actions.cluster import Cluster, open_cluster, open_kept
from installer.actions.halt import Turn, stop_turns, stop_units, turn_phases
from installer.actions.host_removal import clear_host
from installer.actions.install import journaled
from installer.actions.major_record import forget_major
from installer.actions.node_phases import NodePhases
from installer.actions.rest import administrator
from installer.actions.restore_record import forget_restore
from installer.actions.rollout import RunName, StagesByRole, new_run, opened_partly, run_told
from installer.actions.run_log import logged_to
from installer.actions.under_way import hold_cluster
from installer.actions.upgrade_record import forget_upgrade
from installer.engine.session import Session
from installer.errors import ConfigError, NotHealthy, Problem, Refused
from installer.expand.check import load_cluster
from installer.inventory import Inventory, runs_folder
from installer.phases import Phase, PhaseResult
from installer.report import Report
from installer.state import Stage

_JOURNAL = "remove.jsonl"
_PHASE = "remove/all"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequest:
    """What the operator accepted."""

    without_unreachable: bool = False  # hosts that do not answer keep what they have
    abandon_deployments: bool = False  # what they installed elsewhere stays there


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What went, and which hosts keep what they have."""

    results: tuple[PhaseResult, ...]
    left: tuple[Problem, ...]

    @property
    def things(self) -> int:
        """Return how many things went from all hosts."""
        return sum(len(result.changes) for result in self.results)


def remove_cluster(path: Path, request: RemoveRequest, report: Report) -> Removed:
    """Take everything of ours away from the hosts of an inventory; again finishes what was killed.

    Raises NodeUnreachable or Refused, before any change, for a host that does not answer or
    deployments that still exist, unless the request accepts it.
    """
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, "cluster remove"), logged_to(folder, "remove"):
        if not request.abandon_deployments:
            _demand_no_deployments(inventory, report.tell)
        known = _known(inventory)
        with (
            opened_partly(
                inventory.nodes,
                lambda away: [job for job in known.jobs() if job.inputs.name not in away],
                without_unreachable=request.without_unreachable,
            ) as opened,
            journaled(folder / _JOURNAL, report) as notify,
        ):
            engine, stages, left = opened
            name = RunName(new_run(), f"Removing the cluster {inventory.name}")
            make = NodePhases(engine=engine, notify=notify, run=name.run)
            phases = tuple(_phases(stages, make))
            results = run_told(phases, notify, name, abort=engine.close)
        forget_major(folder)
        forget_upgrade(folder)
        forget_restore(folder)
    return Removed(results=results, left=left)


def _known(inventory: Inventory) -> Cluster:
    """Return the cluster with what is here of it: only paths and names count for its end."""
    try:
        return open_kept(inventory)
    except ConfigError:  # a certificate lacks
        return open_cluster(inventory, save=False)


def _demand_no_deployments(inventory: Inventory, tell: Callable[[str], None]) -> None:
    """Raise Refused while the cluster manages something; one that cannot be asked is told."""
    listing = "/deployments?_all_tenants=true&_size=1&_include=id"
    try:
        found = administrator(inventory, _known(inventory).address).call("GET", listing)
    except (NotHealthy, Refused) as error:
        tell(f"Nobody could tell whether deployments exist: {error.problems[0].what}")
        return
    count = found["metadata"]["pagination"]["total"]
    if count:
        raise Refused(
            Problem(
                where=f"cluster {inventory.name}",
                what=f"it manages {count} deployment{'s' * (count != 1)}: what they installed"
                " elsewhere would have no manager any more",
                remedy="uninstall them (`cfy deployments list --all-tenants`, `cfy uninstall`), "
                "or say --abandon-deployments",
                code="deployments-exist",
            )
        )


def _phases(stages: StagesByRole, make: NodePhases) -> Iterator[Phase]:
    """Yield first the turns in which services stop, then the removal on all hosts at once."""
    previous: tuple[str, ...] = ()
    for phase in turn_phases(stop_turns(stages, None), stop_units, make):
        yield phase
        previous = (phase.name,)
    everything = Turn(phase=_PHASE, stages={n: _whole(roles) for n, roles in stages.items()})
    for phase in turn_phases((everything,), _clear, make):
        yield replace(phase, needs=previous)


def _whole(roles: Mapping[str, Sequence[Stage]]) -> Stage:
    """Return all stages of a node as one, in their order."""
    states = (stage.state for stages in roles.values() for stage in stages)
    return Stage(name=_PHASE, state=functools.reduce(operator.or_, states))


def _clear(session: Session, stage: Stage) -> tuple[str, ...]:
    return clear_host(session, (stage,))
