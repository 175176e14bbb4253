"""What an operator asked of a rolling restart, and whether there is anything that it names."""

from collections.abc import Iterable
from dataclasses import dataclass

from installer.actions.rollout import NODE, TOOLKIT, StagesByRole
from installer.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRequest:
    """What the operator asked of a rolling restart."""

    roles: tuple[str, ...] = ()  # all
    nodes: tuple[str, ...] = ()  # all
    interrupt: bool = False  # services of a single node may pause
    again: bool = False  # begin anew instead of going on with a run that did not finish

    def wants(self, role: str, node: str) -> bool:
        """Tell whether this role is restarted on this node."""
        return (not self.roles or role in self.roles) and (not self.nodes or node in self.nodes)


def demand_met(request: RestartRequest, stages: StagesByRole) -> None:
    """Raise ConfigError for what was named and restarts nothing: somebody waits for it."""
    problems = [
        Problem(where=node, what="it has no such role", remedy=_names_of(stages[node]))
        for node in request.nodes
        if not any(request.wants(role, node) for role in stages[node])
    ]
    for role in request.roles:
        nodes = [node for node in stages if role in stages[node]]
        if not any(request.wants(role, node) for node in nodes):
            what = "no such node has this role"
            problems.append(Problem(where=role, what=what, remedy=_names_of(nodes)))
    if problems:
        raise ConfigError(*problems)


def _names_of(names: Iterable[str]) -> str:
    known = [name for name in names if name not in (NODE, TOOLKIT)]
    return f"name one or more of: {', '.join(known)}" if known else "leave it out: none is here"
