"""Make the graph of phases from the stages of all roles."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from installer.phases import Phase, PhaseResult
from installer.state import Stage

StagesByNode = Mapping[str, Stage]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleStages:
    """What one role does on its nodes: stages of the same names, in the same order, on each."""

    role: str
    nodes: Mapping[str, tuple[Stage, ...]]

    def phases(self) -> list[tuple[str, StagesByNode]]:
        """Return each phase's name, which is its stage's, with the stage of each node."""
        first = next(iter(self.nodes.values()))
        return [
            (stage.name, {node: mine[at] for node, mine in self.nodes.items()})
            for at, stage in enumerate(first)
        ]


def build_phases(
    roles: Sequence[RoleStages],
    run_stage: Callable[[str, StagesByNode], PhaseResult],
    *,
    first: Sequence[Phase] = (),
) -> tuple[Phase, ...]:
    """Return the graph: stages of a role follow each other, `after` waits for whole roles.

    Every role waits for the phases in `first`.
    """
    last = {kit.role: kit.phases()[-1][0] for kit in roles}
    phases = list(first)
    for kit in roles:
        previous = tuple(phase.name for phase in first)
        for name, stages in kit.phases():
            after = next(iter(stages.values())).after
            phases.append(
                Phase(
                    name=name,
                    nodes=tuple(stages),
                    work=functools.partial(run_stage, name, stages),
                    needs=previous + tuple(last[role] for role in after if role in last),
                )
            )
            previous = (name,)
    return tuple(phases)
