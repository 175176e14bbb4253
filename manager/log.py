"""Where the runtime's log goes: standard error, which systemd puts into the journal."""

import logging


def configure_logging() -> None:
    """Log to standard error; libraries that report each detail of a failure keep it to themselves.

    What fails in them reaches us as an exception, and our own line says it once.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
