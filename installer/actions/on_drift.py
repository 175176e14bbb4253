"""Decide what becomes of files that a person changed since our last run wrote them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from installer.actions.rollout import Survey
from installer.engine.drift import Drift, Drifted
from installer.engine.observation import ABSENT
from installer.engine.session import Session
from installer.errors import PhaseFailed


class OnDrift(StrEnum):
    """What to do with a file that was changed by hand."""

    ASK = "ask"
    KEEP = "keep"  # leave it, and remember that on the node
    OVERWRITE = "overwrite"  # a copy of it stays on the node
    ADOPT = "adopt"  # take the change into the inventory's settings


Ask = Callable[[str, Drifted], OnDrift]  # node, file


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What becomes of each changed file; those that are in none of both are overwritten."""

    keep: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # node → path → state
    adopt: Mapping[str, tuple[Drifted, ...]] = field(default_factory=dict)
    release: Mapping[str, frozenset[str]] = field(default_factory=dict)  # kept until now

    def applied_to(self, seen: Survey) -> Survey:
        """Return the survey with files to keep as kept ones, and others no longer so."""
        observations = {
            node: replace(found, written={**found.written, "kept": self._kept(node, seen)})
            for node, found in seen.observations.items()
        }
        return replace(seen, observations=observations)

    def _kept(self, node: str, seen: Survey) -> dict[str, str]:
        before = seen.observations[node].record("kept")
        released = self.release.get(node, frozenset())
        kept = {path: state for path, state in before.items() if path not in released}
        return {**kept, **self.keep.get(node, {})}

    def remember(self, seen: Survey) -> None:
        """Record on the nodes what is kept; raises PhaseFailed where that cannot be."""

        def remember(session: Session) -> None:
            session.remember({"kept": self.keep[session.name]})

        outcomes = seen.engine.on_each(tuple(self.keep), remember)
        if problems := [outcome.error for outcome in outcomes.values() if outcome.error]:
            raise PhaseFailed(*problems)


def decide(seen: Survey, on_drift: OnDrift | None, ask: Ask) -> Decisions:
    """Return what becomes of every file that a person changed.

    Without a wish (None) earlier decisions to keep stay, and all else is overwritten; a wish is
    for these files as well.
    """
    keep: dict[str, dict[str, str]] = {}
    adopt: dict[str, tuple[Drifted, ...]] = {}
    release: dict[str, frozenset[str]] = {}
    for node, files in changed_files(seen, with_kept=on_drift is not None).items():
        wishes = [(file, _wish(node, file, on_drift, ask)) for file in files]
        kept = {f.name: f.found or ABSENT for f, wish in wishes if wish is OnDrift.KEEP}
        keep |= {node: kept} if kept else {}
        adopted = tuple(file for file, wish in wishes if wish is OnDrift.ADOPT)
        adopt |= {node: adopted} if adopted else {}
        release[node] = frozenset(f.name for f, wish in wishes if wish is not OnDrift.KEEP)
    return Decisions(keep=keep, adopt=adopt, release=release)


def _wish(node: str, file: Drifted, on_drift: OnDrift | None, ask: Ask) -> OnDrift:
    if on_drift is OnDrift.ASK:
        return OnDrift.KEEP if file.drift is Drift.KEPT else ask(node, file)
    return on_drift or OnDrift.OVERWRITE


def changed_files(seen: Survey, *, with_kept: bool = False) -> dict[str, tuple[Drifted, ...]]:
    """Return the files that a person changed on each node, also those that are kept if wanted."""

    def is_meant(one: Drifted) -> bool:
        by_hand = one.drift.is_by_hand or (with_kept and one.drift is Drift.KEPT)
        return one.kind == "file" and by_hand and one.wanted is not None

    found = {node: tuple(filter(is_meant, drifts)) for node, drifts in seen.drifts().items()}
    return {node: files for node, files in found.items() if files}
