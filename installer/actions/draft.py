"""What a run would do now: what a plan saves, and what `install --plan` must find again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from installer.actions.cluster import Cluster, open_cluster
from installer.actions.on_drift import Decisions
from installer.actions.options import RunOptions
from installer.actions.rollout import TRANSFER, Survey
from installer.actions.transfer import receiving_nodes
from installer.engine.observation import digest
from installer.plan.changes import Blanks, Kind, PlannedChange, planned_changes
from installer.plan.fingerprint import node_words
from installer.plan.mask import Mask
from installer.state import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The changes of a run, in the order of its phases, and what they depend on of the nodes."""

    changes: tuple[PlannedChange, ...]
    nodes: Mapping[str, Mapping[str, str]]  # node → what was observed, as words


def draft(
    cluster: Cluster, seen: Survey, decisions: Decisions, options: RunOptions, mask: Mask
) -> Draft:
    """Return what a run would do; what a person decided to keep is in it as kept."""
    decided = decisions.applied_to(seen).limited_to(options)
    phases = [pair for kit in decided.roles() for pair in kit.phases()]
    changes = planned_changes(phases, decided.differences(), mask, _blanks(cluster, seen, mask))
    return Draft(
        changes=(*_transfers(cluster, decided), *_kept(decisions), *changes),
        nodes={node: node_words(found, mask) for node, found in seen.observations.items()},
    )


def _transfers(cluster: Cluster, seen: Survey) -> list[PlannedChange]:
    if cluster.bundle is None:
        return []
    return [
        PlannedChange(
            phase=TRANSFER,
            node=node,
            kind=Kind.BUNDLE,
            name=str(cluster.bundle.path),
            text="receive what lacks of the bundle",
        )
        for node in receiving_nodes(seen)
    ]


def _kept(decisions: Decisions) -> list[PlannedChange]:
    return [
        PlannedChange(
            phase="drift",
            node=node,
            kind=Kind.KEEP,
            name=path,
            text=f"keep {path} as it is (changed by hand)",
        )
        for node, states in decisions.keep.items()
        for path in states
    ]


def _blanks(cluster: Cluster, seen: Survey, mask: Mask) -> Blanks:
    """Return what contains something that the run will make.

    All is rendered a second time with other provisional secrets and certificates: what differs
    then depends on them, however they got there.
    """
    if not cluster.is_provisional:
        return Blanks()
    other = seen.beside(open_cluster(cluster.inventory, save=False).jobs())
    return Blanks(
        names=frozenset(
            (node, name)
            for node, roles in seen.stages.items()
            for name in _differing(_flat(roles), _flat(other.stages[node]))
        )
    )


def _flat(roles: Mapping[str, Sequence[Stage]]) -> list[Stage]:
    return [stage for stages in roles.values() for stage in stages]


def _differing(one: Sequence[Stage], other: Sequence[Stage]) -> list[str]:
    contents, others = _contents(one), _contents(other)
    return [name for name, content in contents.items() if others.get(name) != content]


def _contents(stages: Sequence[Stage]) -> dict[str, str]:
    files = {f"file {f.path}": digest(f.content) for stage in stages for f in stage.state.files}
    steps = {
        f"step {step.name}": digest(f"{step.guard}\0{step.script}".encode())
        for stage in stages
        for step in stage.steps
    }
    return files | steps
