"""Phases of a run: a graph, and the runner that starts each as soon as what it needs is done."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from installer.errors import ConfigError, Problem
from installer.events import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseResult:
    """How one phase ended; `changes` are lines such as `db-1: install 12 packages`."""

    phase: str
    outcome: Outcome
    seconds: float = 0.0
    changes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(
        cls, phase: str, changes: tuple[str, ...], problems: tuple[Problem, ...]
    ) -> "PhaseResult":
        """Return the result that these lines and problems mean."""
        ended = Outcome.CHANGED if changes else Outcome.UNCHANGED
        outcome = Outcome.FAILED if problems else ended
        return cls(phase=phase, outcome=outcome, changes=changes, problems=problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of a run over some nodes; `work` does it and says what it changed."""

    name: str  # "database/etcd"
    nodes: tuple[str, ...]
    work: Callable[[], PhaseResult]
    needs: tuple[str, ...] = ()


def select_phases(
    phases: Sequence[Phase], *, only: Iterable[str] = (), skip: Iterable[str] = ()
) -> tuple[Phase, ...]:
    """Return the phases that are wanted; a word names one phase or all that begin with `word/`.

    What a phase needs outside the selection counts as done. Raises ConfigError for a word that
    names no phase.
    """
    names = [phase.name for phase in phases]
    wanted = _named(only, names) if tuple(only) else set(names)
    wanted -= _named(skip, names)
    return tuple(
        replace(phase, needs=tuple(need for need in phase.needs if need in wanted))
        for phase in phases
        if phase.name in wanted
    )


def _named(words: Iterable[str], names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        matches = {name for name in names if name == word or name.startswith(f"{word}/")}
        if not matches:
            raise ConfigError(
                Problem(where=word, what="no phase has this name", remedy=f"one of: {names}")
            )
        found |= matches
    return found


def run_phases(
    phases: Sequence[Phase],
    run: Callable[[Phase], PhaseResult],
    *,
    abort: Callable[[], None] = lambda: None,
) -> tuple[PhaseResult, ...]:
    """Run every phase once all it needs succeeded, side by side where the graph allows.

    After a failure nothing new starts; what is under way is finished, the rest is skipped. An
    interruption calls `abort`, which makes what is under way end soon, and is raised again.
    Raises ValueError when two phases have one name.
    """
    if len({phase.name for phase in phases}) != len(phases):
        raise ValueError(f"two phases have one name: {[phase.name for phase in phases]}")
    with ThreadPoolExecutor(max_workers=max(1, len(phases))) as pool:
        try:
            results = _run_graph(pool, phases, run)
        except BaseException:  # ctrl-C above all: the pool would wait for gates of minutes
            abort()
            raise
    skipped = PhaseResult(phase="", outcome=Outcome.SKIPPED)
    return tuple(results.get(phase.name, replace(skipped, phase=phase.name)) for phase in phases)


def _run_graph(
    pool: Executor, phases: Sequence[Phase], run: Callable[[Phase], PhaseResult]
) -> dict[str, PhaseResult]:
    """Return the result of each phase that was begun."""
    results: dict[str, PhaseResult] = {}
    waiting = list(phases)
    running: dict[Future[PhaseResult], Phase] = {}
    while waiting or running:
        failed = any(result.outcome is Outcome.FAILED for result in results.values())
        ready = [] if failed else [phase for phase in waiting if _ready(phase, results)]
        for phase in ready:
            waiting.remove(phase)
            running[pool.submit(_timed, run, phase)] = phase
        if not running:
            break
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            results[running.pop(future).name] = future.result()
    return results


def _ready(phase: Phase, results: dict[str, PhaseResult]) -> bool:
    return all(need in results for need in phase.needs)


def _timed(run: Callable[[Phase], PhaseResult], phase: Phase) -> PhaseResult:
    start = time.monotonic()
    result = run(phase)
    return replace(result, seconds=time.monotonic() - start)
