"""When a role of a node may restart: the rules held to what is there, with patience."""

import time
from collections.abc import Callable, Set
from dataclasses import dataclass, replace

from installer.errors import PhaseFailed, Problem
from installer.foresight.outlook import layout_now
from installer.foresight.stopping import PARTS, Objection, may_stop, missing, whole
from installer.foresight.survival import Layout
from installer.inventory import Inventory
from installer.status.presence import Presence
from installer.status.seen import look_around

PATIENCE_S = 120.0  # a replica that was restarted catches up


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Asks the rules for one role of a cluster, again and again while they object."""

    inventory: Inventory
    role: str
    interrupt: bool  # pauses that cannot be avoided are accepted
    members: frozenset[str] | None = None  # nodes that have the role already; all by default

    def await_for(
        self, node: str, note: Callable[[str], None], *, patience_s: float | None = None
    ) -> None:
        """Wait until the node may stop; raises PhaseFailed with what speaks against it."""
        deadline = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
        while objections := self._objections(node):
            if time.monotonic() > deadline:
                raise PhaseFailed(*(_problem(node, objection) for objection in objections))
            note(objections[0].reason)
            time.sleep(1)

    def _objections(self, node: str) -> list[Objection]:
        """Return what speaks against it for this role, but for pauses that were accepted."""
        layout, presence = self._layout(), look_around(self.inventory)
        found = [o for o in may_stop(layout, presence, {node}).objections if self._is_mine(o)]
        if not self.interrupt:
            return found
        inherent = _inherent(layout, presence, node)
        return [objection for objection in found if objection.part not in inherent]

    def _layout(self) -> Layout:
        layout = layout_now(self.inventory)
        return layout if self.members is None else limited(layout, self.role, self.members)

    def _is_mine(self, objection: Objection) -> bool:
        return objection.part is PARTS.get(self.role)


def _inherent(layout: Layout, presence: Presence, node: str) -> set[object]:
    """Return the parts that pause whenever this node stops, even while all others are there."""
    best = may_stop(layout, whole(layout, presence), {node}).objections
    return {o.part for o in best if not missing(layout, presence)[o.part] - {node}}


def limited(layout: Layout, role: str, members: Set[str]) -> Layout:
    """Return the layout in which only these nodes have a role."""

    def kept(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in members)

    match role:
        case "database":
            return replace(layout, databases=kept(layout.databases))
        case "queue":
            return replace(layout, queues=kept(layout.queues))
        case "manager":
            return replace(layout, managers=kept(layout.managers))
        case "loadbalancer":
            return replace(layout, balancers=kept(layout.balancers))
    return layout


def _problem(node: str, objection: Objection) -> Problem:
    return Problem(
        where=node,
        what=f"must not stop now: {objection.part}: {objection.reason}",
        remedy=objection.remedy,
        code="must-not-stop",
    )
