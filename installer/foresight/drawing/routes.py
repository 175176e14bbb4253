"""The ways of arrows: through the gap between two columns, or over the top of those between."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from installer.foresight.topology import Arrow, Group

_FIRST_TRACK, _TRACK = 16, 12  # of the vertical parts in a gap
LABEL_LINE = 16
Point = tuple[float, float]


class _Edges(Protocol):
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def height(self) -> float: ...
    @property
    def right(self) -> float: ...
    @property
    def middle(self) -> Point: ...


class _Standing(Protocol):
    @property
    def group(self) -> Group: ...
    @property
    def column(self) -> int: ...
    @property
    def box(self) -> _Edges: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An arrow's corners from its source to its target, and where its label stands."""

    arrow: Arrow
    points: tuple[Point, ...]
    label_at: Point
    lines: tuple[str, ...]  # of the label


@dataclass(frozen=True, slots=True)
class _Ends:
    number: int  # in the order of the arrows
    arrow: Arrow
    source: _Standing
    target: _Standing

    @property
    def columns(self) -> tuple[int, int]:
        first, last = sorted((self.source.column, self.target.column))
        return first, last

    @property
    def span(self) -> int:
        first, last = self.columns
        return last - first


@dataclass(frozen=True, slots=True)
class _Docked:
    """Where an arrow leaves its source and reaches its target."""

    ends: _Ends
    leaves_y: float
    reaches_y: float

    @property
    def is_forward(self) -> bool:
        return self.ends.source.column < self.ends.target.column

    @property
    def left_y(self) -> float:
        return self.leaves_y if self.is_forward else self.reaches_y

    @property
    def right_y(self) -> float:
        return self.reaches_y if self.is_forward else self.leaves_y


def routes(
    arrows: Iterable[Arrow], placed: Sequence[_Standing], *, lanes_y: float, lane_height: float
) -> tuple[Route, ...]:
    """Return a route for each arrow; those over the top have a lane each, the farthest the upper.

    Among those that go the same way through a gap the outer ones turn first, so none cross.
    """
    at = {each.group.key: each for each in placed}
    ends = [
        _Ends(number, arrow, at[arrow.source], at[arrow.target])
        for number, arrow in enumerate(arrows)
    ]
    over = sorted((each for each in ends if each.span > 1), key=lambda each: -each.span)
    tops = _tops(over)
    found = [
        _over_the_top(each, lanes_y + lane_height * (lane + 0.5), tops)
        for lane, each in enumerate(over)
    ]
    docked = _docked([each for each in ends if each.span <= 1])
    found += [_through(each, track) for each, track in _tracks(docked)]
    return tuple(found)


def _tracks(docked: Sequence[_Docked]) -> Iterator[tuple[_Docked, int]]:
    """Yield each arrow with the number of its turn in its gap."""
    taken: dict[tuple[int, bool], int] = {}
    rising = [each for each in docked if each.right_y < each.left_y]
    falling = [each for each in docked if each.right_y >= each.left_y]
    for some, goes_up in (
        (sorted(rising, key=lambda each: each.left_y), True),
        (sorted(falling, key=lambda each: -each.left_y), False),
    ):
        for each in some:
            key = each.ends.columns[0], goes_up
            taken[key] = taken.get(key, -1) + 1
            yield each, taken[key]


def _docked(ends: Sequence[_Ends]) -> list[_Docked]:
    """Return where each arrow docks: spread over the edge, in the order of where they lead.

    Labels stand at the right end of a gap, where each arrow has room for the lines of its own.
    """
    edges: dict[tuple[str, bool], list[tuple[float, int, bool, float]]] = {}
    for each in ends:
        for here, there, leaves in (
            (each.source, each.target, True),
            (each.target, each.source, False),
        ):
            is_right = there.column > here.column
            room = 1 if is_right else label_height(each.arrow)
            docked = (there.box.middle[1], each.number, leaves, room)
            edges.setdefault((here.group.key, is_right), []).append(docked)
    boxes = {e.group.key: e.box for each in ends for e in (each.source, each.target)}
    heights: dict[tuple[int, bool], float] = {}
    for (key, _), found in edges.items():
        above, whole = 0.0, sum(room for *_, room in found)
        for _, number, leaves, room in sorted(found):
            place = (above + room / 2) / whole
            heights[number, leaves] = boxes[key].y + boxes[key].height * place
            above += room
    return [_Docked(each, heights[each.number, True], heights[each.number, False]) for each in ends]


def label_height(arrow: Arrow) -> float:
    """Return the room that an arrow's label needs in a gap."""
    return LABEL_LINE * len(arrow.labels) + 12


def _through(each: _Docked, track: int) -> Route:
    """Return the way through the gap between two neighbouring columns."""
    ends = each.ends
    left, right = (ends.source, ends.target) if each.is_forward else (ends.target, ends.source)
    turn_x = left.box.right + _FIRST_TRACK + _TRACK * track
    points = (
        (left.box.right, each.left_y),
        (turn_x, each.left_y),
        (turn_x, each.right_y),
        (right.box.x, each.right_y),
    )
    label_at = ((turn_x + right.box.x) / 2, each.right_y)
    ordered = points if each.is_forward else points[::-1]
    return Route(arrow=ends.arrow, points=ordered, label_at=label_at, lines=ends.arrow.labels)


def _tops(over: Sequence[_Ends]) -> dict[tuple[int, bool], float]:
    """Return the x at which each arrow leaves its source (True) and reaches its target (False).

    What goes to the left stands left, and upper lanes stand outside lower ones.
    """
    edges: dict[str, list[tuple[bool, int, int, bool]]] = {}
    boxes: dict[str, _Edges] = {}
    for lane, each in enumerate(over):
        for here, there, leaves in (
            (each.source, each.target, True),
            (each.target, each.source, False),
        ):
            is_right = there.column > here.column
            order = lane if is_right else -lane
            edges.setdefault(here.group.key, []).append((is_right, order, each.number, leaves))
            boxes[here.group.key] = here.box
    return {
        (number, leaves): boxes[key].x
        + (boxes[key].right - boxes[key].x) * (place + 1) / (len(found) + 1)
        for key, found in edges.items()
        for place, (_, _, number, leaves) in enumerate(sorted(found))
    }


def _over_the_top(each: _Ends, lane_y: float, tops: dict[tuple[int, bool], float]) -> Route:
    """Return the way over the columns between."""
    source_x, target_x = tops[each.number, True], tops[each.number, False]
    points = (
        (source_x, each.source.box.y),
        (source_x, lane_y),
        (target_x, lane_y),
        (target_x, each.target.box.y),
    )
    return Route(
        arrow=each.arrow,
        points=points,
        label_at=((source_x + target_x) / 2, lane_y),
        lines=(", ".join(each.arrow.labels),),
    )
