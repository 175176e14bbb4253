"""Ask all nodes at once for what checks want to know."""

from collections.abc import Mapping

from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.errors import Problem
from installer.preflight.check import Subject
from installer.preflight.facts import Facts, read_facts
from installer.preflight.wanted import Wanted, facts_request


def collect(
    engine: Engine, wanted: Mapping[str, Wanted]
) -> tuple[dict[str, Subject], dict[str, Problem]]:
    """Return every node that answered, and the problem of each that did not. Two commands each."""
    outcomes = engine.on_each(wanted, lambda session: look(session, wanted[session.name]))
    found = {name: Subject(wanted[name], o.value) for name, o in outcomes.items() if o.value}
    return found, {name: o.error for name, o in outcomes.items() if o.error}


def look(session: Session, wanted: Wanted) -> Facts:
    """Return what one node is; its clock is read once its agent is warm and answers at once."""
    told = session.facts(facts_request(wanted))
    return read_facts(told, session.clock_reading())
