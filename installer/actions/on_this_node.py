"""Do something with the engine on the machine that runs this."""

from collections.abc import Callable
from typing import TypeVar

from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.engine.target import Target
from installer.errors import PhaseFailed

_NAME = "this node"
T = TypeVar("T")


def on_this_node(act: Callable[[Session], T]) -> T:
    """Return what `act` returns; raises PhaseFailed with its problem."""
    with Engine([Target(name=_NAME)]) as engine:
        if problems := engine.connect():
            raise PhaseFailed(*problems.values())
        (outcome,) = engine.on_each([_NAME], act).values()
    if outcome.error is not None:
        raise PhaseFailed(outcome.error)
    return outcome.value  # type: ignore[return-value] # it is T when there is no error
