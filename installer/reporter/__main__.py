"""The program of `cloudify-status-reporter.service`."""

import logging
import sys

from installer.errors import ConfigError
from installer.reporter.service import run_reporter
from installer.reporter.settings import load_settings


def main() -> int:
    """Read the configuration and report until told to stop."""
    try:
        settings = load_settings()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    run_reporter(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
