"""The systemd timer of this machine that looks after a cluster's certificates every day."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.actions.certificate_watch import WatchRequest
from installer.errors import PhaseFailed, PreflightError, Problem
from installer.expand.check import load_cluster
from installer.inventory import Inventory
from installer.templates import render

_SYSTEM = Path("/etc/systemd/system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """The systemd that runs the timer: the machine's, or that of a user who is not root."""

    folder: Path
    control: tuple[str, ...]

    @classmethod
    def here(cls) -> "Systemd":
        """Return the machine's for root, and the user's own for others."""
        if os.geteuid() == 0:
            return cls(folder=_SYSTEM, control=("systemctl",))
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return cls(folder=home / "systemd" / "user", control=("systemctl", "--user"))

    @property
    def is_users(self) -> bool:
        """Tell whether it runs only while the user is logged in, or lingers."""
        return "--user" in self.control

    def demand(self) -> None:
        """Raise PreflightError on a machine without systemd."""
        if shutil.which(self.control[0]) is None:
            raise PreflightError(_NO_SYSTEMD)

    def command(self, *words: str) -> None:
        """Ask systemd for something; raises PhaseFailed with what it says."""
        done = subprocess.run([*self.control, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PhaseFailed(_failed((*self.control, *words), done.stderr))


def enable_timer(path: Path, request: WatchRequest, systemd: Systemd) -> str:
    """Let systemd look after a cluster's certificates every day; return the timer's name."""
    systemd.demand()
    inventory = load_cluster(path)
    name = _name(inventory)
    words = (sys.executable, "-m", "installer", "certificates", "timer", "run")
    options = ("-i", str(path.resolve()), "--days", str(request.days))
    command = " ".join(map(_quoted, (*words, *options, *(("--renew",) if request.renew else ()))))
    systemd.folder.mkdir(parents=True, exist_ok=True)
    for kind in ("service", "timer"):
        content = render(f"certificates/timer.{kind}.j2", cluster=inventory.name, command=command)
        (systemd.folder / f"{name}.{kind}").write_bytes(content)
    systemd.command("daemon-reload")
    systemd.command("enable", "--now", f"{name}.timer")
    return f"{name}.timer"


def disable_timer(path: Path, systemd: Systemd) -> str:
    """Take a cluster's timer away; return its name. It need not be there."""
    systemd.demand()
    name = _name(load_cluster(path))
    if (systemd.folder / f"{name}.timer").exists():
        systemd.command("disable", "--now", f"{name}.timer")
    for kind in ("timer", "service"):
        (systemd.folder / f"{name}.{kind}").unlink(missing_ok=True)
    systemd.command("daemon-reload")
    return f"{name}.timer"


def _name(inventory: Inventory) -> str:
    return f"cfy_manager-certificates-{inventory.name}"


def _quoted(word: str) -> str:
    """Return a word as systemd reads it back. Source: systemd.service(5), "Command lines"."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


_NO_SYSTEMD = Problem(
    where="this machine",
    what="it has no systemd that could run a timer",
    remedy="let another scheduler run `cfy_manager certificates timer run -i INVENTORY` every day",
    code="timer-without-systemd",
)


def _failed(words: Sequence[str], said: str) -> Problem:
    return Problem(
        where="this machine",
        what=f"`{' '.join(words)}` failed: {said.strip()}",
        remedy="mend what it tells, and run the same command again",
        code="timer-refused",
    )
