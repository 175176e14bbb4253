"""The Debian images that hosts start from: built once, kept by the hash of their recipe."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from installer.errors import ConfigError, Problem
from installer.sandbox.process import run

logger = logging.getLogger(__name__)

SUITES = ("trixie", "bookworm")
LOGIN_USER = "debian"  # may use sudo without a password, like the user of a cloud image

# what a plain Debian server has and an installer may expect; no recommended packages
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "libnss-systemd",
    "openssh-server",
    "openssl",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "xz-utils",
)

# $1 is the new root file system
_CUSTOMISE = f"""\
set -eu
chroot "$1" useradd --create-home --shell /bin/bash {LOGIN_USER}
echo '{LOGIN_USER} ALL=(ALL) NOPASSWD: ALL' >"$1/etc/sudoers.d/{LOGIN_USER}"
chmod 440 "$1/etc/sudoers.d/{LOGIN_USER}"
# each host gets its own key before its first boot; nobody sits at the console; no archive answers
systemctl --quiet --root="$1" mask sshd-keygen.service console-getty.service \
  apt-daily.timer apt-daily-upgrade.timer
rm -f "$1"/etc/ssh/ssh_host_*
# apt prefers a remote archive to a local file of the same version and waits for its name
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/*
# no name server: a look-up fails at once
: >"$1/etc/resolv.conf"
: >"$1/etc/machine-id"
# newer than /usr: the first boot skips ldconfig, sysusers and the journal's catalogue
touch "$1/etc/.updated" "$1/var/.updated"
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what is in an image."""

    suite: str
    packages: tuple[str, ...] = PACKAGES
    customise: str = _CUSTOMISE

    @property
    def digest(self) -> str:
        """Return the hash that names the image."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:12]


def recipe(suite: str) -> Recipe:
    """Return the recipe of a suite; raises ConfigError for one that is not offered."""
    if suite not in SUITES:
        raise ConfigError(
            Problem(
                where="--suite",
                what=f"there is no image of {suite!r}",
                remedy=f"choose one of {', '.join(SUITES)}",
            )
        )
    return Recipe(suite)


def cache_dir() -> Path:
    """Return where images are kept: outside every checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cfy_manager" / "images"


def image_path(suite: str) -> Path:
    """Return where the suite's image is, or will be once it is built."""
    return cache_dir() / f"{suite}-{recipe(suite).digest}"


def ensure_image(suite: str) -> Path:
    """Return the folder of the suite's image, built now if it is not there."""
    wanted = recipe(suite)
    image = image_path(suite)
    if image.is_dir():
        return image
    image.parent.mkdir(parents=True, exist_ok=True)
    with _only_builder(image):
        if not image.is_dir():  # another process may have built it while this one waited
            logger.info("building the %s image; this takes about a minute", suite)
            _build(wanted, image)
    return image


def build_command(wanted: Recipe, target: Path) -> list[str]:
    """Return the command that makes the image in a folder.

    Its own mount namespace: what an interrupted build has mounted vanishes with it.
    """
    return [
        *("unshare", "--mount", "--", "mmdebstrap", "--quiet", "--variant=minbase"),
        f"--include={','.join(wanted.packages)}",
        f"--customize-hook={wanted.customise}",
        *(wanted.suite, str(target)),
    ]


def _build(wanted: Recipe, image: Path) -> None:
    half = image.with_name(f"{image.name}.half")
    shutil.rmtree(half, ignore_errors=True)  # what an interrupted build has left
    try:
        run(build_command(wanted, half))
        half.rename(image)
    finally:
        shutil.rmtree(half, ignore_errors=True)


@contextmanager
def _only_builder(image: Path) -> Iterator[None]:
    with image.with_name(f"{image.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
