"""What was gathered for a support bundle, and words about what could not be had."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from installer.errors import InstallerError, Problem
from installer.support.archive import new_archive

_GUIDE = (
    "status.txt            the verdict and its reasons (of a cluster)",
    "plan-and-drift.json   what a run would change, and what somebody changed by hand",
    "NODE/answers/         what the host and its services say of themselves",
    "NODE/files/           configuration as it is there",
    "NODE/logs/            journal and log files",
    "controller/           inventory, certificates, the records of runs (of a cluster)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """An archive, and what is not in it."""

    path: Path
    files: int
    seconds: float
    failed: tuple[str, ...]  # name: reason
    cut: tuple[str, ...]
    problems: tuple[Problem, ...] = ()  # of nodes that did not answer


@dataclass(slots=True)
class Contents:
    """Texts by name, those of them that are cut off, and what could not be had and why."""

    version: str
    began: float = field(default_factory=time.monotonic)
    texts: list[tuple[str, bytes | str]] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def take(self, name: str, make: Callable[[], bytes | str]) -> None:
        """Add a text; where it cannot be made, the reason stands among what failed."""
        try:
            self.texts.append((name, make()))
        except (InstallerError, OSError, ValueError) as error:
            self.failed.append(f"{name}: {reason_of(error)}")

    def write(self, target: Path, mask: Callable[[bytes], bytes]) -> Bundled:
        """Write all of it into a new archive, secrets masked; README.txt tells what lacks."""
        with new_archive(target, mask) as archive:
            archive.add("README.txt", "\n".join(self._summary()) + "\n")
            for name, text in self.texts:
                archive.add(name, text)
        return Bundled(
            path=target,
            files=len(archive.names),
            seconds=time.monotonic() - self.began,
            failed=tuple(self.failed),
            cut=tuple(self.cut),
            problems=tuple(self.problems),
        )

    def _summary(self) -> Iterator[str]:
        made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        yield f"Made {made} by cfy_manager {self.version}; secrets are masked by ********."
        yield from _listed("Nodes that are missing", (str(each) for each in self.problems))
        yield from _listed("What could not be had", self.failed)
        yield from _listed("What is cut to its limit", self.cut)
        yield from _listed("Where to begin", _GUIDE)


def reason_of(error: Exception) -> str:
    """Return why something could not be had, in one line."""
    if isinstance(error, InstallerError):
        return "; ".join(problem.brief for problem in error.problems)
    return str(error) or type(error).__name__


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ("", f"{title}:", *(f"  {line}" for line in found))
