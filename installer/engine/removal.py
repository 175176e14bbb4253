"""What goes when services leave a node, and what stays because others need it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from installer.state import Directory, ManagedFile, NodeState, Stage, UnitTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The end of some stages on a node; the node itself knows which packages and users we brought.

    `needs` are packages, `kept` paths of stages that stay.
    """

    units: tuple[str, ...]  # in the order in which they stop
    masked: tuple[str, ...]
    files: tuple[str, ...]
    trees: tuple[str, ...]  # directories and data, with all that is below
    users: tuple[str, ...]
    needs: tuple[str, ...]
    kept: tuple[str, ...]
    is_whole: bool  # no service stays
    with_written: bool  # whatever our runs wrote goes too, also what no release wants any more

    def request(self) -> dict[str, Any]:
        """Return the request for `node/removal.py`."""
        return {
            "units": list(self.units),
            "masked": list(self.masked),
            "files": list(self.files),
            "trees": list(self.trees),
            "users": list(self.users),
            "needs": list(self.needs),
            "kept": list(self.kept),
            "is_whole": self.is_whole,
            "with_written": self.with_written,
        }


def removal(
    leaving: Sequence[Stage], staying: Sequence[Stage], *, with_written: bool = False
) -> Removal:
    """Return what undoes the stages that leave, in reverse; what both have stays."""
    last_first = [stage.state for stage in reversed(leaving)]
    others = [stage.state for stage in staying]
    kept_units, kept_users = set(_units(others)), set(_users(others))
    files, trees = list(_files(others)), list(_trees(others))
    return Removal(
        units=_without(_units(last_first), kept_units),
        masked=_without(_units(last_first, masked=True), set(_units(others, masked=True))),
        files=_without(_files(last_first), set(files)),
        trees=_without(_trees(last_first), set(trees)),
        users=_without(_users(last_first), kept_users),
        needs=tuple(package.name for state in others for package in state.packages),
        kept=tuple(dict.fromkeys([*files, *trees, *_shared([*last_first, *others])])),
        is_whole=not staying,
        with_written=with_written,
    )


def _without(names: Iterable[str], kept: set[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name not in kept)


def _units(states: Iterable[NodeState], *, masked: bool = False) -> Iterator[str]:
    for state in states:
        for unit in reversed(state.units):
            if (unit.target is UnitTarget.MASKED) == masked:
                yield unit.name


def _files(states: Iterable[NodeState]) -> Iterator[str]:
    for state in states:
        yield from (file.path for file in state.files)


def _trees(states: Iterable[NodeState]) -> Iterator[str]:
    for state in states:
        yield from state.data
        yield from (d.path for d in reversed(state.directories) if not d.is_shared)


def _shared(states: Iterable[NodeState]) -> Iterator[str]:
    for state in states:
        yield from (directory.path for directory in state.directories if directory.is_shared)


def _users(states: Iterable[NodeState]) -> Iterator[str]:
    """Yield declared users, and owners: most come with packages."""
    for state in states:
        yield from (user.name for user in state.users)
        entries: tuple[Directory | ManagedFile, ...] = (*state.directories, *state.files)
        for entry in entries:
            yield from (entry.owner, entry.group or entry.owner)
