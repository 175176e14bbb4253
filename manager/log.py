"""Where the runtime's log goes: standard error, which systemd puts into the journal."""

import logging


def configure_logging(level: str = "INFO") -> None:
    """Log from `level` on to standard error.

    Libraries that report each detail of a failure keep it to themselves: what fails in them
    reaches us as an exception, and our own line says it once.
    """
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
