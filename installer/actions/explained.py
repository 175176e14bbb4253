"""Say of a failure what caused it, what shows it, and which commands come next."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from installer.catalogue import entry
from installer.catalogue.signatures import HOST, SAID, causes_in, first_cause, is_consequence
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
    code = _cause(problem, diagnosis)
    if code is None:
        return replace(problem, details=(*problem.details, *_tails(diagnosis)))
    told = entry(code)
    found = {match.code for match in diagnosis.matches}
    also = ", ".join(sorted(found - {code}))
    details = [
        f"{CAUSE}{told.title}: {told.cause}",
        f"evidence  {_evidence(_best(code, diagnosis))}",
        *([f"also      {also}"] if also and len(found) <= _ALSO + 1 else []),
        *(_tails(diagnosis) if verbose else ()),
    ]
    return replace(
        problem,
        code=code,
        details=(*problem.details, *details),
        remedy="\n".join((f"on {node}: {told.next[0]}", *told.next[1:])),
    )


def _cause(problem: Problem, diagnosis: Diagnosis) -> str | None:
    """Return the cause that stands nearest to the failure.

    What the gate or step itself says comes before what units say that do not run, and that before
    what is found elsewhere on the node; only then comes what follows from something else.
    """
    found = [match.code for match in diagnosis.matches]
    near = [match.code for match in diagnosis.matches if match.source in (*diagnosis.failing, HOST)]
    ranks = (
        causes_in(problem.what).intersection(found),
        {code for code in near if not is_consequence(code)},
        {code for code in found if not is_consequence(code)},
        found,
    )
    return next((code for rank in ranks if (code := first_cause(rank))), None)


def _best(code: str, diagnosis: Diagnosis) -> Match:
    """Return what shows a cause best: the host, a unit that does not run, whoever spoke last."""

    def worth(match: Match) -> tuple[bool, bool, bool, datetime]:
        source = match.source
        return source == HOST, source in diagnosis.failing, source != SAID, match.time

    return max((match for match in diagnosis.matches if match.code == code), key=worth)


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
