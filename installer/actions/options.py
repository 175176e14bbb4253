"""What the operator asks of a run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the operator asked of a run."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    title: str = ""
    waived: tuple[str, ...] = ()  # checks whose findings do not forbid the run
    verbose: bool = False  # a known cause is told with the journal that shows it
    alone: bool = False  # one node by itself, its peers come later or are there already
