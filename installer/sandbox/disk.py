"""The disk of a host: a file system of bounded size over the image's, which nobody changes."""

import errno
import os
from pathlib import Path

from installer.sandbox.keeper import run_inside, seen_by
from installer.sandbox.process import ProcessId, run

DEFAULT_SIZE_GB = 8

_MB = 1024**2
_BALLAST = "ballast"  # beside the overlay's layers, where the host cannot delete it
_STEPS = (1024 * _MB, 64 * _MB, _MB, 4096)


def make_disk(keeper: ProcessId, folder: Path, image: Path, size_gb: int) -> None:
    """Make a host's root file system below its folder: sparse, so it takes what is written.

    Without a journal and with a volatile overlay a flush costs nothing: a host that loses power
    here loses its processes, never what the machine's kernel has accepted for it.
    """
    disk, mount, root = folder / "disk.img", folder / "disk", folder / "root"
    for path in (mount, root):
        path.mkdir(parents=True)
    run(["truncate", f"--size={size_gb}G", str(disk)])
    run(
        [
            *("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal"),
            *("-E", "lazy_itable_init=1,nodiscard", str(disk)),
        ]
    )
    run_inside(keeper, ["mount", "-o", "loop,discard,noatime", str(disk), str(mount)])
    run_inside(keeper, ["mkdir", f"{mount}/upper", f"{mount}/work"])
    layers = f"lowerdir={image},upperdir={mount}/upper,workdir={mount}/work"
    options = f"{layers},volatile,redirect_dir=on"
    run_inside(keeper, ["mount", "-t", "overlay", "overlay", "-o", options, str(root)])


def fill(keeper: ProcessId, folder: Path, free_mb: int) -> None:
    """Leave a host no more than this much space.

    The blocks are promised and never written, so the machine's own disk does not fill.
    """
    mount = seen_by(keeper, folder / "disk")
    with (mount / _BALLAST).open("ab") as ballast:
        for step in _STEPS:
            while _take(ballast.fileno(), mount, free_mb * _MB, step):
                pass


def empty(keeper: ProcessId, folder: Path) -> None:
    """Give a host its space back."""
    (seen_by(keeper, folder / "disk") / _BALLAST).unlink(missing_ok=True)


def _take(ballast: int, mount: Path, keep: int, step: int) -> bool:
    """Take one more piece of the disk; return whether there was one."""
    usage = os.statvfs(mount)
    if usage.f_bavail * usage.f_frsize - step < keep:
        return False
    try:
        os.posix_fallocate(ballast, os.fstat(ballast).st_size, step)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True
