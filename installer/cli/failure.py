"""Turn whatever ended a command into words for a person and an exit code."""

import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

import click

from installer.errors import CAUSE, InstallerError, Problem

logger = logging.getLogger(__name__)

_UNEXPECTED, _INTERRUPTED = 1, 130


def report_failure(error: BaseException) -> int:
    """Explain the failure on stderr and return the exit code."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            error.show()
            return error.exit_code
        case InstallerError():
            _explain(error)
            return error.exit_code
        case KeyboardInterrupt() | click.Abort():
            sys.stderr.write("Interrupted. Run the same command again to go on.\n")
            return _INTERRUPTED
        case _:
            logger.error("unexpected failure", exc_info=error)
            sys.stderr.write(f"Unexpected failure: {type(error).__name__}: {error}\n")
            return _UNEXPECTED


def _explain(error: InstallerError) -> None:
    """Print every problem, then what holds for all of them: the log, the way on."""
    blocks = [str(problem) for problem in _without_repetition(error.problems)]
    single = len(blocks) == 1
    for number, block in enumerate(blocks, start=1):
        sys.stderr.write(f"{block}\n" if single else f"{number}. {block}\n")
    for note in getattr(error, "__notes__", ()):
        sys.stderr.write(f"{note}\n")
    if codes := dict.fromkeys(problem.code for problem in error.problems if problem.code):
        sys.stderr.write(f"More: cfy_manager explain {' '.join(codes)}\n")


def _without_repetition(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield each problem once; what several nodes share of cause and remedy only the first time."""
    told: set[str] = set()
    for problem in dict.fromkeys(problems):
        if problem.code in told and problem.details:
            own = tuple(line for line in problem.details if not line.startswith(CAUSE))
            yield replace(problem, details=own, remedy=f"as above, on {problem.where}")
        else:
            yield problem
        told.add(problem.code)
