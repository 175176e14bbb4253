"""Ask every check about every node, and hold what came of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from installer.errors import ConfigError, PreflightError, Problem, Severity
from installer.preflight.check import Check, Cluster

UNREACHABLE = "node-unreachable"
_SHOWN_NODES = 4


class Verdict(StrEnum):
    """How one check ended on one node."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one check found on one node."""

    code: str
    title: str
    node: str
    problems: tuple[Problem, ...] = ()
    is_waived: bool = False

    @property
    def verdict(self) -> Verdict:
        """Return how it ended; an error weighs more than a warning."""
        if not self.problems:
            return Verdict.OK
        if self.is_waived:
            return Verdict.WAIVED
        errors = any(problem.severity is Severity.ERROR for problem in self.problems)
        return Verdict.FAILED if errors else Verdict.WARNING


@dataclass(frozen=True, slots=True)
class Examination:
    """The results of all checks on all nodes."""

    results: tuple[Result, ...]

    def __or__(self, other: "Examination") -> "Examination":
        return Examination((*self.results, *other.results))

    def having(self, *verdicts: Verdict) -> tuple[Result, ...]:
        """Return the results that ended so."""
        return tuple(result for result in self.results if result.verdict in verdicts)

    def problems(self, *verdicts: Verdict) -> tuple[Problem, ...]:
        """Return what the checks that ended so have found."""
        return tuple(problem for result in self.having(*verdicts) for problem in result.problems)

    def shared(self, *verdicts: Verdict) -> Iterator[Problem]:
        """Yield each problem of these once, where it is told of every node that has it."""
        found: dict[tuple[str, str, str], list[Problem]] = {}
        for problem in self.problems(*verdicts):
            found.setdefault((problem.code, problem.what, problem.remedy), []).append(problem)
        for problems in found.values():
            yield replace(problems[0], where=listing(problem.where for problem in problems))

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the nodes, in the order of the inventory."""
        return tuple(dict.fromkeys(result.node for result in self.results))

    @property
    def has_failed(self) -> bool:
        """Tell whether anything forbids the work."""
        return bool(self.having(Verdict.FAILED))

    def demand(self) -> None:
        """Raise PreflightError with everything that forbids the work."""
        if problems := tuple(self.shared(Verdict.FAILED)):
            error = PreflightError(*problems)
            error.add_note(
                "Nothing was changed. `--waive CODE` goes on in spite of a finding;"
                " `cfy_manager explain CODE` tells more about it."
            )
            raise error


def listing(nodes: Iterable[str]) -> str:
    """Return names of nodes in one line; of many, the first and how many more."""
    names = list(dict.fromkeys(nodes))
    if len(names) <= _SHOWN_NODES:
        return ", ".join(names)
    first = _SHOWN_NODES - 1
    return f"{', '.join(names[:first])} and {len(names) - first} more"


def examine(checks: Iterable[Check], cluster: Cluster, waived: Collection[str]) -> Examination:
    """Return what each check finds on each node."""
    return Examination(tuple(_results(checks, cluster, waived)))


def _results(
    checks: Iterable[Check], cluster: Cluster, waived: Collection[str]
) -> Iterator[Result]:
    for check in checks:
        for name, subject in cluster.items():
            problems = tuple(
                Problem(
                    where=name,
                    what=finding.what,
                    remedy=finding.remedy,
                    code=check.code,
                    severity=finding.severity,
                )
                for finding in check.find(subject, cluster)
            )
            yield Result(
                code=check.code,
                title=check.title,
                node=name,
                problems=problems,
                is_waived=check.code in waived,
            )


def unreachable(problems: Mapping[str, Problem]) -> Examination:
    """Return the result of the nodes that could not be asked anything."""
    return Examination(
        tuple(
            Result(
                code=UNREACHABLE,
                title="the node is reached as root",
                node=name,
                problems=(replace(problem, where=name, code=UNREACHABLE),),
            )
            for name, problem in problems.items()
        )
    )


def demand_known(waived: Sequence[str], codes: Collection[str]) -> None:
    """Raise ConfigError with each waived name that no check has."""
    problems = [
        Problem(
            where="--waive",
            what=f"no check is called '{name}'",
            remedy=_suggestion(name, codes),
        )
        for name in waived
        if name not in codes
    ]
    if problems:
        raise ConfigError(*problems)


def _suggestion(name: str, codes: Collection[str]) -> str:
    close = get_close_matches(name, codes, n=1)
    listing = "`cfy_manager cluster preflight --list` prints every name"
    return f"did you mean '{close[0]}'? {listing}" if close else listing
