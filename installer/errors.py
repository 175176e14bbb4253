"""The tree of errors that a person meets, each with its exit code.

InstallerError (1)
├── ConfigError (3)        every problem of the configuration at once
├── PreflightError (4)     the machine or the hosts lack something
├── NodeUnreachable (5)
├── PhaseFailed (6)
├── NotHealthy (7)
└── Refused (8)            it would break quorum, or another run holds the lock
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CAUSE = "cause     "  # begins the line of a problem's details that says why


class Severity(StrEnum):
    """What a problem means for the work: an error forbids it, a warning only tells."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where it is, what it is, and what to do about it.

    `code` names the entry of the catalogue that `cfy_manager explain` prints, where there is one.
    """

    where: str  # a key path such as nodes[1].address, or a node, unit or file
    what: str
    remedy: str
    file: str | None = None
    line: int | None = None
    code: str = ""
    severity: Severity = Severity.ERROR
    details: tuple[str, ...] = ()  # lines below it: its cause, the evidence, the journal's end

    def __str__(self) -> str:
        place = self.where
        if self.file is not None:
            position = self.file if self.line is None else f"{self.file}:{self.line}"
            place = f"{position}: {self.where}"
        remedies = [f"→ {line}" for line in self.remedy.splitlines()]
        return "\n    ".join([f"{place}: {self.brief}", *self.details, *remedies])

    @property
    def brief(self) -> str:
        """Return what it is in one line, without place and remedy."""
        kind = "warning: " if self.severity is Severity.WARNING else ""
        code = f" [{self.code}]" if self.code else ""
        return f"{kind}{self.what}{code}"

    def as_json(self) -> dict[str, Any]:
        """Return the problem as an object for programs."""
        return {
            "severity": str(self.severity),
            "code": self.code,
            "where": self.where,
            "what": self.what,
            "remedy": self.remedy,
            "details": list(self.details),
            "file": self.file,
            "line": self.line,
        }


class InstallerError(Exception):
    """Any failure that the installer explains; carries one or more problems."""

    exit_code = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ConfigError(InstallerError):
    """The configuration or the inventory is invalid; nothing was changed."""

    exit_code = 3


class PreflightError(InstallerError):
    """A machine lacks what the work needs; nothing was changed."""

    exit_code = 4


class NodeUnreachable(InstallerError):
    """A node did not answer or refused the login."""

    exit_code = 5


class PhaseFailed(InstallerError):
    """A phase of a run failed on at least one node."""

    exit_code = 6


class NotHealthy(InstallerError):
    """A service did not become healthy in time."""

    exit_code = 7


class Refused(InstallerError):
    """The request would break quorum, or another run holds the lock."""

    exit_code = 8
