"""Write files whole or not at all, with their final mode from the first byte."""

import os
from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o644
NEXT_CA, PREVIOUS_CA = "next-ca", "previous-ca"  # of a change of the CA that is under way


def is_ca_changing(folder: Path) -> bool:
    """Tell whether a change of the CA of a store was begun and has not ended."""
    return any((folder / f"{stem}.crt").exists() for stem in (NEXT_CA, PREVIOUS_CA))


def write_atomically(path: Path, content: bytes, mode: int) -> None:
    """Put the content at the path: after a crash the old or the new file is there, never half.

    The temporary name is fixed, so that what a killed run left is replaced by the next one.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # the umask may have taken bits away
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    _sync_folder(path.parent)


def make_private_folder(path: Path) -> None:
    """Make the folder with mode 0700 if it lacks; one that exists keeps the mode it was given."""
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700)
    path.chmod(0o700)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
