"""Ask all nodes at once for what checks want to know."""

from collections.abc import Mapping
from typing import Any

from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.errors import Problem
from installer.preflight.check import Subject
from installer.preflight.facts import UNREAD, read_facts
from installer.preflight.wanted import Wanted, facts_request


def collect(
    engine: Engine, wanted: Mapping[str, Wanted], *, clocks_of_running: bool = True
) -> tuple[dict[str, Subject], dict[str, Problem]]:
    """Return every node that answered, and the problem of each that did not. Two commands each.

    Clocks are read once agents are warm and answer at once; without `clocks_of_running` only when
    a node is new.
    """

    def ask(session: Session) -> dict[str, Any]:
        return session.facts(facts_request(wanted[session.name]))

    told = engine.on_each(wanted, ask)
    problems = {name: o.error for name, o in told.items() if o.error}
    facts = {name: o.value for name, o in told.items() if o.value}
    if clocks_of_running or not all(one["marks"] for one in facts.values()):
        read = engine.on_each(facts, Session.clock_reading)
        problems |= {name: o.error for name, o in read.items() if o.error}
        clocks = {name: o.value for name, o in read.items() if o.value}
    else:
        clocks = dict.fromkeys(facts, UNREAD)
    found = {
        name: Subject(wanted[name], read_facts(facts[name], clock))
        for name, clock in clocks.items()
    }
    return found, problems
