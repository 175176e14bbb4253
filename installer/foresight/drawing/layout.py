"""Where everything of a topology stands: columns of groups, arrows in the gaps between them.

Lengths are in SVG's user units, about a pixel each.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from installer.foresight.drawing.routes import Route, label_height, routes
from installer.foresight.topology import Arrow, Group, Spot, Topology

BOX_WIDTH, BOX_HEIGHT, BOX_GAP = 196, 46, 12
_OUTSIDE_WIDTH = 112
_PAD, _TITLE, _LINE = 14, 26, 15
_MARGIN, _HEADING, _LANE, _GROUP_GAP = 28, 48, 30, 34
_LEGEND = 44
_LEAST_WIDTH = 560  # for the legend
_TITLE_CHARACTER = 8.4  # at 13 px, bold
_CHARACTER = 6.6  # the width of one at 12 px; wide enough for any sans-serif


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Return the x of the right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Return the y of the lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """Return the point in the middle."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A group at its place: its lines of text, its boxes."""

    group: Group
    column: int
    box: Box
    subtitle: tuple[str, ...]
    among: tuple[str, ...]
    spots: tuple[tuple[Spot, Box], ...]

    @property
    def among_y(self) -> float:
        """Return where the lines below the nodes begin."""
        return self.spots[-1][1].bottom + _LINE + 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A whole picture."""

    topology: Topology
    width: float
    height: float
    groups: tuple[Placed, ...]
    routes: tuple[Route, ...]


def text_width(text: str) -> float:
    """Return about how wide a text of 12 px is."""
    return len(text) * _CHARACTER


def layout_of(topology: Topology) -> Layout:
    """Return the places of everything."""
    columns = _columns(topology)
    index = {group.key: number for number, column in enumerate(columns) for group in column}
    spans = [abs(index[arrow.source] - index[arrow.target]) for arrow in topology.arrows]
    least = {group.key: _least_height(topology, index, group) for group in topology.groups}
    top = _MARGIN + _HEADING + _LANE * sum(span > 1 for span in spans)
    heights = [_column_height(column, least) for column in columns]
    placed: list[Placed] = []
    x: float = _MARGIN
    for number, column in enumerate(columns):
        y = top + (max(heights) - heights[number]) / 2
        for group in column:
            placed.append(_placed(group, (x, y), column=number, least=least[group.key]))
            y = placed[-1].box.bottom + _GROUP_GAP
        x += max(map(_width, column)) + _gap(topology, index, number)
    return Layout(
        topology=topology,
        width=max(_LEAST_WIDTH, max(each.box.right for each in placed) + _MARGIN),
        height=top + max(heights) + _LEGEND + _MARGIN,
        groups=tuple(placed),
        routes=routes(topology.arrows, placed, lanes_y=_MARGIN + _HEADING, lane_height=_LANE),
    )


def _columns(topology: Topology) -> list[list[Group]]:
    """Return the groups tier by tier; those of one tier that speak with each other part."""
    ends = {(arrow.source, arrow.target) for arrow in topology.arrows}
    columns: list[list[Group]] = []
    for tier in sorted({group.tier for group in topology.groups}):
        columns.append([])
        for group in (group for group in topology.groups if group.tier == tier):
            if any({(group.key, o.key), (o.key, group.key)} & ends for o in columns[-1]):
                columns.append([])
            columns[-1].append(group)
    return columns


def _through(topology: Topology, index: dict[str, int], column: int) -> list[Arrow]:
    """Return the arrows in the gap right of a column."""
    wanted = {column, column + 1}
    return [
        arrow for arrow in topology.arrows if {index[arrow.source], index[arrow.target]} == wanted
    ]


def _gap(topology: Topology, index: dict[str, int], column: int) -> float:
    """Return the room that the labels need right of a column."""
    arrows = _through(topology, index, column)
    widths = [text_width(label) for arrow in arrows for label in arrow.labels]
    return max(widths, default=0) + 72 + 6 * len(arrows)


def _least_height(topology: Topology, index: dict[str, int], group: Group) -> float:
    """Return the height that the labels at a group's left edge need."""
    arrows = _through(topology, index, index[group.key] - 1)
    own = [arrow for arrow in arrows if group.key in (arrow.source, arrow.target)]
    return sum(map(label_height, own))


def _width(group: Group) -> float:
    if not group.roles:
        return _OUTSIDE_WIDTH
    return max(BOX_WIDTH, len(group.title) * _TITLE_CHARACTER) + 2 * _PAD


def _wrapped(group: Group, text: str) -> tuple[str, ...]:
    return tuple(textwrap.wrap(text, int((_width(group) - 2 * _PAD) / _CHARACTER)))


def _among(group: Group) -> tuple[str, ...]:
    text = ", ".join(label.replace(" ", "\N{NO-BREAK SPACE}") for label in group.among)
    return _wrapped(group, text)


def _column_height(groups: Sequence[Group], least: dict[str, float]) -> float:
    heights = [
        _placed(group, (0, 0), column=0, least=least[group.key]).box.height for group in groups
    ]
    return sum(heights) + _GROUP_GAP * (len(heights) - 1)


def _placed(group: Group, at: tuple[float, float], *, column: int, least: float) -> Placed:
    x, y = at
    pad = _PAD if group.roles else 0
    subtitle, among = _wrapped(group, group.subtitle), _among(group)
    head = pad + _TITLE + _LINE * len(subtitle) if group.roles else 0
    boxes = [
        Box(
            x=x + pad,
            y=y + head + number * (BOX_HEIGHT + BOX_GAP),
            width=_width(group) - 2 * pad,
            height=BOX_HEIGHT,
        )
        for number in range(len(group.spots))
    ]
    foot = pad + (_LINE * (len(among) + 1) + 8 if among else 0)
    height = max(boxes[-1].bottom + foot - y, least if group.roles else 0)
    return Placed(
        group=group,
        column=column,
        box=Box(x=x, y=y, width=_width(group), height=height),
        subtitle=subtitle,
        among=among,
        spots=tuple(zip(group.spots, boxes, strict=True)),
    )
