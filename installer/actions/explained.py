"""Say of a failure what caused it, what shows it, and which commands come next."""

import logging
from collections.abc import Iterator
from dataclasses import replace

from installer.catalogue import entry
from installer.catalogue.signatures import first_cause
from installer.engine.outcome import Diagnosis, Match
from installer.errors import CAUSE, Problem

logger = logging.getLogger(__name__)

_LINES = 8  # of a unit's journal; the log file has them all
_ALSO = 3  # further codes worth a name


def explained(
    node: str, problem: Problem, diagnosis: Diagnosis, *, verbose: bool = False
) -> Problem:
    """Return the problem with its cause; where none is known, with the journal's last words."""
    _log(problem, diagnosis)
    found = {match.code: match for match in diagnosis.matches}
    code = first_cause(found)
    if code is None:
        return replace(problem, details=(*problem.details, *_tails(diagnosis)))
    told = entry(code)
    also = ", ".join(other for other in found if other != code)
    details = [
        f"{CAUSE}{told.title}: {told.cause}",
        f"evidence  {_evidence(found[code])}",
        *([f"also      {also}"] if also and len(found) <= _ALSO + 1 else []),
        *(_tails(diagnosis) if verbose else ()),
    ]
    return replace(
        problem,
        code=code,
        details=(*problem.details, *details),
        remedy="\n".join((f"on {node}: {told.next[0]}", *told.next[1:])),
    )


def _evidence(match: Match) -> str:
    return f"{match.source}, {match.time:%H:%M:%S} UTC: {match.line}"


def _tails(diagnosis: Diagnosis) -> Iterator[str]:
    for unit, text in diagnosis.journal.items():
        lines = text.strip().splitlines()[-_LINES:]
        yield f"the journal of {unit} ends with:" if lines else f"the journal of {unit} is empty"
        yield from (f"  {line}" for line in lines)


def _log(problem: Problem, diagnosis: Diagnosis) -> None:
    """Write everything to the log file: the terminal has only what explains."""
    logger.warning("%s: %s", problem.where, problem.what)
    for match in diagnosis.matches:
        logger.info("%s: [%s] %s", problem.where, match.code, _evidence(match))
    for unit, text in diagnosis.journal.items():
        logger.info("%s: the journal of %s ends with:\n%s", problem.where, unit, text)
