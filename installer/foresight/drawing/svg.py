"""A topology as SVG: one self-contained file that suits light and dark pages."""

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from installer.foresight.drawing.layout import Box, Layout, Placed, layout_of, text_width
from installer.foresight.drawing.routes import LABEL_LINE, Point, Route
from installer.foresight.topology import Spot, Topology
from installer.status.model import NodeStatus, State

_CORNER = 8
_MOST_NAME = 26  # characters of 11 px in a box
# light, dark; chosen to be told apart by colour-blind people as well (Okabe and Ito)
_ZONES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#b3a000")
_TIERS = {0: "#6e7781", 1: "#1b7c83", 2: "#0969da", 3: "#8250df"}
_STATES = {
    State.OK: "#1a7f37",
    State.DEGRADED: "#bf8700",
    State.DOWN: "#cf222e",
    State.UNKNOWN: "#8c959f",
}
_STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
text.heading { font-size: 18px; font-weight: 600 }
text.title, text.name { font-size: 13px; font-weight: 600 }
text.mono { font: 11px ui-monospace, "DejaVu Sans Mono", monospace }
.page, .pill, .node { fill: #ffffff } .group { fill: #f6f8fa } .group, .node { stroke: #d0d7de }
.ink { fill: #1f2328 } .soft { fill: #59636e } .tip { fill: #6e7781 }
.line { stroke: #6e7781; stroke-width: 1.5; fill: none } .away { stroke-dasharray: 6 4 }
@media (prefers-color-scheme: dark) {
.page, .pill, .node { fill: #0d1117 } .group { fill: #161b22 } .group, .node { stroke: #3d444d }
.ink { fill: #f0f6fc } .soft { fill: #9198a1 } .tip { fill: #9198a1 } .line { stroke: #9198a1 }
}
"""


def svg(topology: Topology, statuses: Mapping[str, NodeStatus] | None = None) -> str:
    """Return the picture; with statuses each node tells its own."""
    layout = layout_of(topology)
    title = f"Cluster {topology.name}"
    size = f'width="{layout.width:.0f}" height="{layout.height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
        f'viewBox="0 0 {layout.width:.0f} {layout.height:.0f}" role="img" '
        f"aria-label={quoteattr(title)}>",
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="tip" d="M0 0 10 5 0 10z"/></marker></defs>',
        _rect(Box(x=0, y=0, width=layout.width, height=layout.height), "page", radius=0),
        _text((28, 44), title, "ink heading"),
        *(_route(route) for route in layout.routes),
        *(line for placed in layout.groups for line in _group(layout, placed, statuses or {})),
        *(line for route in layout.routes for line in _label(route)),
        *_legend(layout, statuses),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _group(layout: Layout, placed: Placed, statuses: Mapping[str, NodeStatus]) -> Iterator[str]:
    group, box = placed.group, placed.box
    if group.roles:
        yield _rect(box, "group away" if group.is_external else "group", radius=10)
        accent = _TIERS[group.tier]
        yield (
            f'<rect x="{box.x:.0f}" y="{box.y + 14:.0f}" width="4" height="18" rx="2" '
            f'fill="{accent}"/>'
        )
        yield _text((box.x + 14, box.y + 28), group.title, "ink title")
        for number, line in enumerate(placed.subtitle):
            yield _text((box.x + 14, box.y + 45 + 15 * number), line, "soft")
    for spot, place in placed.spots:
        yield from _spot(layout.topology, spot, place, statuses.get(spot.name))
    for (_, upper), (_, lower) in zip(placed.spots, placed.spots[1:], strict=False):
        if group.among:
            yield from _tie(upper, lower)
    if placed.among:
        yield _text((box.x + 14, placed.among_y), "with each other", "soft")
    for number, line in enumerate(placed.among, start=1):
        yield _text((box.x + 14, placed.among_y + 15 * number), line, "ink")


def _spot(topology: Topology, spot: Spot, box: Box, status: NodeStatus | None) -> Iterator[str]:
    yield _rect(box, "node", radius=6)
    if spot.zone:
        yield (
            f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="5" height="{box.height:.0f}" rx="2" '
            f'fill="{_zone_colour(topology, spot.zone)}"/>'
        )
    if not spot.address:
        x, y = box.middle
        yield _text((x, y + 4), spot.name, "ink name", anchor="middle")
        return
    if spot.address != spot.name:
        yield _text((box.x + 14, box.y + 19), spot.name, "ink name")
        yield _text((box.x + 14, box.y + 36), spot.address, "soft mono")
    else:
        yield _text((box.x + 10, box.y + 27), _shortened(spot.name), "ink mono")
    if status is not None:
        colour = _STATES[status.state]
        yield f'<circle cx="{box.right - 14:.0f}" cy="{box.y + 15:.0f}" r="5" fill="{colour}"/>'
        said = status.said or status.state
        yield _text((box.right - 9, box.y + 36), said, "soft", anchor="end")
    elif spot.zone:
        yield _text((box.right - 9, box.y + 19), f"zone {spot.zone}", "soft", anchor="end")


def _shortened(name: str) -> str:
    return name if len(name) <= _MOST_NAME else name[: _MOST_NAME - 1] + "…"


def _tie(upper: Box, lower: Box) -> Iterator[str]:
    """Yield the sign between two nodes that speak with each other."""
    x = upper.middle[0]
    yield f'<path class="line" d="M{x:.0f} {upper.bottom:.0f}V{lower.y:.0f}"/>'


def _route(route: Route) -> str:
    return f'<path class="line" marker-end="url(#tip)" d="{_path(route.points)}"/>'


def _path(points: Sequence[Point]) -> str:
    """Return SVG's words for straight parts with rounded corners between."""
    start, *corners, end = points
    words = [f"M{start[0]:.0f} {start[1]:.0f}"]
    before = start
    for here, after in zip(corners, [*corners[1:], end], strict=True):
        into, out = _towards(here, before), _towards(here, after)
        words.append(f"L{into[0]:.0f} {into[1]:.0f}Q{here[0]:.0f} {here[1]:.0f} ")
        words.append(f"{out[0]:.0f} {out[1]:.0f}")
        before = here
    words.append(f"L{end[0]:.0f} {end[1]:.0f}")
    return "".join(words)


def _towards(corner: Point, other: Point) -> Point:
    """Return the point a rounded corner's radius away, in the direction of another point."""
    length = abs(other[0] - corner[0]) + abs(other[1] - corner[1])
    part = min(_CORNER, length / 2) / length if length else 0
    return (
        corner[0] + (other[0] - corner[0]) * part,
        corner[1] + (other[1] - corner[1]) * part,
    )


def _label(route: Route) -> Iterator[str]:
    """Yield the words of an arrow on a ground that hides the line beneath."""
    x, y = route.label_at
    labels = route.lines
    width = max(map(text_width, labels)) + 14
    height = LABEL_LINE * len(labels)
    ground = Box(x=x - width / 2, y=y - height / 2, width=width, height=height)
    yield _rect(ground, "pill", radius=4)
    for number, label in enumerate(labels):
        yield _text((x, ground.y + 12 + LABEL_LINE * number), label, "ink", anchor="middle")


def _legend(layout: Layout, statuses: Mapping[str, NodeStatus] | None) -> Iterator[str]:
    x, y = 28.0, layout.height - 26
    for zone in layout.topology.zones:
        colour = _zone_colour(layout.topology, zone)
        yield f'<rect x="{x:.0f}" y="{y - 10:.0f}" width="12" height="12" rx="2" fill="{colour}"/>'
        yield _text((x + 18, y), f"zone {zone}", "soft")
        x += 18 + text_width(f"zone {zone}") + 18
    for state in State if statuses else ():
        yield f'<circle cx="{x + 5:.0f}" cy="{y - 4:.0f}" r="5" fill="{_STATES[state]}"/>'
        yield _text((x + 16, y), state, "soft")
        x += 16 + text_width(state) + 18
    for note in layout.topology.notes:
        yield _text((x, y), note, "soft")
        x += text_width(note) + 18


def _zone_colour(topology: Topology, zone: str) -> str:
    return _ZONES[topology.zones.index(zone) % len(_ZONES)]


def _rect(box: Box, style: str, *, radius: float) -> str:
    return (
        f'<rect class="{style}" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" '
        f'height="{box.height:.0f}" rx="{radius:g}"/>'
    )


def _text(at: Point, words: str, style: str, *, anchor: str = "start") -> str:
    x, y = at
    ends = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{style}" x="{x:.0f}" y="{y:.0f}"{ends}>{escape(words)}</text>'
