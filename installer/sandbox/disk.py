"""The disk of a host: a file system of bounded size over the image's, which nobody changes."""

from pathlib import Path

from installer.sandbox.keeper import run_inside
from installer.sandbox.process import ProcessId, run

DEFAULT_SIZE_GB = 8


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
