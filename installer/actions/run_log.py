"""The log file of a run: everything at DEBUG, readable by its owner only."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installer.errors import InstallerError, Refused

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@contextmanager
def logged_to(folder: Path, command: str) -> Iterator[Path]:
    """Write this process's log below `folder` and yield the file's path."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{command}.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    handler = logging.StreamHandler(os.fdopen(descriptor, "a"))
    handler.setFormatter(logging.Formatter(_FORMAT))
    ours = logging.getLogger("installer")
    ours.setLevel(logging.DEBUG)
    ours.addHandler(handler)
    try:
        yield path
    except InstallerError as error:
        error.add_note(f"Log: {path}")
        if not isinstance(error, Refused):
            error.add_note("Mend it and run the same command again; what is finished is quick.")
        raise
    finally:
        ours.removeHandler(handler)
        handler.stream.close()
