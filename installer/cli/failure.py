"""Turn whatever ended a command into words for a person and an exit code."""

import logging
import sys

import click

from installer.errors import InstallerError

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
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        case KeyboardInterrupt() | click.Abort():
            sys.stderr.write("Interrupted. Run the same command again to go on.\n")
            return _INTERRUPTED
        case _:
            logger.error("unexpected failure", exc_info=error)
            sys.stderr.write(f"Unexpected failure: {type(error).__name__}: {error}\n")
            return _UNEXPECTED
