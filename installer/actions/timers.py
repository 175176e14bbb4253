"""Timers of this machine's systemd: what a cluster's controller does by itself."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.errors import PhaseFailed, PreflightError, Problem
from installer.templates import render

_SYSTEM = Path("/etc/systemd/system")
_BOOTED = Path("/run/systemd/system")  # there while systemd is the init: sd_booted(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """The systemd that runs the timer: the machine's, or that of a user who is not root."""

    folder: Path
    control: tuple[str, ...]
    booted: Path = _BOOTED

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

    def demand(self, *words: str) -> None:
        """Raise PreflightError on a machine without systemd; `words` are what it would run."""
        if shutil.which(self.control[0]) is None or not self.booted.is_dir():
            raise PreflightError(_no_systemd(" ".join(words)))

    def command(self, *words: str) -> None:
        """Ask systemd for something; raises PhaseFailed with what it says."""
        done = subprocess.run([*self.control, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PhaseFailed(_failed((*self.control, *words), done.stderr))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A timer and what it runs: its unit's name, the folder of its templates, their values."""

    name: str
    templates: str
    cluster: str
    words: tuple[str, ...]  # of cfy_manager
    when: str = "daily"  # systemd.time(7)

    def enable(self, systemd: Systemd) -> str:
        """Write and start it; return the unit's name."""
        systemd.demand(*self.words)
        command = " ".join(map(_quoted, (sys.executable, "-m", "installer", *self.words)))
        systemd.folder.mkdir(parents=True, exist_ok=True)
        for kind in ("service", "timer"):
            template = f"{self.templates}/timer.{kind}.j2"
            content = render(template, cluster=self.cluster, command=command, when=self.when)
            (systemd.folder / f"{self.name}.{kind}").write_bytes(content)
        systemd.command("daemon-reload")
        systemd.command("enable", "--now", f"{self.name}.timer")
        return f"{self.name}.timer"


def remove_timer(name: str, systemd: Systemd) -> str:
    """Take a timer away; return the unit's name. It need not be there."""
    systemd.demand()
    if (systemd.folder / f"{name}.timer").exists():
        systemd.command("disable", "--now", f"{name}.timer")
    for kind in ("timer", "service"):
        (systemd.folder / f"{name}.{kind}").unlink(missing_ok=True)
    systemd.command("daemon-reload")
    return f"{name}.timer"


def _quoted(word: str) -> str:
    """Return a word as systemd reads it back. Source: systemd.service(5), "Command lines"."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _no_systemd(command: str) -> Problem:
    run = f"`cfy_manager {command}`" if command else "what it would run"
    return Problem(
        where="this machine",
        what="it has no systemd that could run a timer",
        remedy=f"let another scheduler run {run} every day",
        code="timer-without-systemd",
    )


def _failed(words: Sequence[str], said: str) -> Problem:
    return Problem(
        where="this machine",
        what=f"`{' '.join(words)}` failed: {said.strip()}",
        remedy="mend what it tells, and run the same command again",
        code="timer-refused",
    )
