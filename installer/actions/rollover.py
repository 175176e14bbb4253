"""Change a cluster's CA as one operation that a kill only interrupts.

Four steps, each proved by handshakes before the next: a new CA is made beside the old one;
everybody trusts both; everybody shows certificates of the new one; nobody trusts the old one.
How far it is, the certificates' folder tells, and nothing else: whoever runs the command again
goes on there, and a `cluster install` in the middle disturbs nothing. Where the old CA has
expired nobody trusts anybody, so nothing can overlap: all nodes get the new one at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from installer.errors import Problem, Refused
from installer.pki.request import KeyType
from installer.pki.rollover import CaRollover, Progress

_TITLES = {
    Progress.TRUSTED: "2 of 4: every node trusts the new CA beside the old one",
    Progress.ISSUING: "3 of 4: every node gets certificates of the new CA",
    Progress.WITHDRAWN: "4 of 4: no node trusts the old CA any more",
}
_LOST = "The old CA has expired: nobody trusts it, and every node gets the new one at once."
_MOVES: Mapping[Progress, Callable[[CaRollover], None]] = {
    Progress.MADE: CaRollover.trust_both,
    Progress.TRUSTED: CaRollover.issue_from_new,
    Progress.ISSUING: CaRollover.withdraw,
    Progress.WITHDRAWN: CaRollover.finish,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloverRequest:
    """What the operator asked of a change of the CA."""

    until: Progress | None = None  # the step after which it stops, to be gone on with later
    back: bool = False  # turn round: the old CA comes back
    key_type: KeyType | None = None  # of the new CA; otherwise that of the old one


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """What a change of the CA asks of the cluster; each raises what it cannot reach."""

    demand_converged: Callable[[], None]  # nothing but the change will be rolled out
    converge: Callable[[str], None]  # bring every node to the folder's state; takes a title
    prove: Callable[[Progress], str]  # returns in words what was proved
    work: Callable[[], bool]  # every port shows a certificate that is valid
    recover: Callable[[str], None]  # bring all at once, where nothing works; takes a title
    demand_replaced: Callable[[], None]  # nothing that the user brought needs the CA that goes


def roll_over(
    rollover: CaRollover,
    nodes: Nodes,
    request: RolloverRequest,
    tell: Callable[[str], None],
) -> Progress:
    """Change the CA, or go on with the change that was begun; return how far it came.

    Raises Refused before anything is changed where there is nothing to turn back.
    """
    begun = rollover.progress()
    if request.back and begun is Progress.NONE:
        raise Refused(_nothing_to_turn(rollover))
    if rollover.is_turned_back():
        rollover.turn_back()  # a kill may have left it half turned
        tell("This goes on with the way back that was begun.")
    elif request.back:
        if rollover.has_expired():
            raise Refused(_nothing_to_return_to(rollover))
        rollover.turn_back()
    elif begun in (Progress.NONE, Progress.MADE):  # the user may have put a CA there
        nodes.demand_converged()
        rollover.begin(request.key_type)
        tell("1 of 4: a new CA is made; the old one goes on issuing.")
    else:
        tell("This goes on with the change of the CA that was begun.")
    return _go_on(rollover, nodes, request.until, tell)


def _go_on(
    rollover: CaRollover,
    nodes: Nodes,
    until: Progress | None,
    tell: Callable[[str], None],
) -> Progress:
    is_lost = rollover.has_expired() and not nodes.work()
    if is_lost:
        tell(_LOST)
    while (progress := rollover.progress()) is not Progress.NONE:
        if progress in _TITLES:
            rollover.settle()
            is_last = progress is Progress.WITHDRAWN
            if is_lost and is_last:
                nodes.recover(_TITLES[progress])
            if is_last or not is_lost:
                nodes.converge(_TITLES[progress])  # its steps tell managers of the new CA
                tell(f"Proved: {nodes.prove(progress)}.")
        if progress is until:
            break
        if progress is Progress.ISSUING:
            nodes.demand_replaced()
        _MOVES[progress](rollover)
    return progress


def _nothing_to_return_to(rollover: CaRollover) -> Problem:
    return Problem(
        where=str(rollover.folder),
        what="the old CA has expired: nobody would trust it",
        remedy="let the change go on: `cfy_manager certificates rollover`",
        code="rollover-back-expired",
    )


def _nothing_to_turn(rollover: CaRollover) -> Problem:
    return Problem(
        where=str(rollover.folder),
        what="no change of the CA is under way that could turn back",
        remedy="begin one: `cfy_manager certificates rollover`",
        code="rollover-not-begun",
    )
