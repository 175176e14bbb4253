"""A cluster's status as a table for a person, and as values for a program."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click

from installer.status.model import ClusterStatus, Finding, NodeStatus, ServiceStatus, State, Verdict
from installer.status.words import bytes_words

_COLOURS = {
    State.OK: "green",
    State.DEGRADED: "yellow",
    State.DOWN: "red",
    State.UNKNOWN: "yellow",
    Verdict.HEALTHY: "green",
    Verdict.DEGRADED: "yellow",
    Verdict.DOWN: "red",
}
_PIPE_WIDTH = 120
_HEADINGS = ("node", "service", "state", "is", "lag", "units", "certs", "drift")
_STATE_COLUMN = 2


def status_text(status: ClusterStatus) -> str:
    """Return the whole picture: verdict, services, nodes, and what is wrong."""
    verdict = click.style(status.verdict, fg=_COLOURS[status.verdict], bold=True)
    head = f"{status.name}: {verdict}  ({len(status.nodes)} nodes in {status.seconds:.1f} s)"
    width = max(len(name) for name in status.summary)
    services = [f"{name.ljust(width)}  {line}" for name, line in status.summary.items()]
    parts = [head, "", *_wrapped(services, width + 2), "", *_table(status)]
    if status.reasons:
        parts += ["", click.style(f"{status.verdict} because", bold=True), *_listed(status.reasons)]
    if status.remarks:
        parts += ["", click.style("look at", bold=True), *_listed(status.remarks)]
    if codes := dict.fromkeys(finding.code for finding in (*status.reasons, *status.remarks)):
        parts += _wrapped(["", f"More: cfy_manager explain {' '.join(codes)}"], 28)
    return "\n".join(parts)


def _table(status: ClusterStatus) -> Iterator[str]:
    rows = [row for node in status.nodes.values() for row in _rows(node, status)]
    headings: tuple[str, ...] = (*_HEADINGS, "version")
    table = [headings, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    kept = [i for i, _ in enumerate(headings) if any(row[i] not in ("", "-") for row in rows)]
    for number, row in enumerate(table):
        cells = [row[i].ljust(widths[i]) for i in kept]
        if number and row[_STATE_COLUMN]:
            place = kept.index(_STATE_COLUMN)
            cells[place] = click.style(cells[place], fg=_COLOURS[State(row[_STATE_COLUMN])])
        yield "  ".join(cells).rstrip()


def _rows(node: NodeStatus, status: ClusterStatus) -> Iterator[tuple[str, ...]]:
    """Yield a row for each service of a node; what holds for the node stands in the first."""
    versions = {each.version for each in status.nodes.values() if each.version}
    own = (
        f"{node.units[0]}/{node.units[1]}" if node.units else "-",
        "-" if node.certificate_days is None else f"{node.certificate_days} d",
        str(len(node.drifted)) if node.drifted else "-",
        node.version if len(versions) > 1 else "-",
    )
    for number, (name, service) in enumerate(node.services.items()):
        shown = own if number == 0 else ("", "", "", "")
        first = node.name if number == 0 else ""
        yield (first, str(name), service.state, str(service.part), _lag(service), *shown)


def _lag(service: ServiceStatus) -> str:
    return "" if service.lag_bytes is None else bytes_words(service.lag_bytes)


def _listed(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        yield from _wrapped([f"  {finding.where}: {finding.what} [{finding.code}]"], 6)
        yield from _wrapped([f"    → {finding.remedy}"], 6)


def _wrapped(lines: Sequence[str], indent: int) -> list[str]:
    """Break lines at the terminal's width; in a pipe they stay whole."""
    if not sys.stdout.isatty():
        return list(lines)
    width = shutil.get_terminal_size((_PIPE_WIDTH, 0)).columns
    broken = []
    for line in lines:
        options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
        broken += textwrap.wrap(line, width, subsequent_indent=" " * indent, **options) or [""]
    return broken


def status_json(status: ClusterStatus) -> dict[str, Any]:
    """Return everything as JSON values."""
    return {
        "cluster": status.name,
        "verdict": status.verdict,
        "seconds": round(status.seconds, 3),
        "services": dict(status.summary),
        "reasons": [finding.as_json() for finding in status.reasons],
        "remarks": [finding.as_json() for finding in status.remarks],
        "nodes": {name: _node_json(node) for name, node in status.nodes.items()},
    }


def _node_json(node: NodeStatus) -> dict[str, Any]:
    return {
        "state": node.state,
        "services": {
            str(role): {
                "state": service.state,
                "part": service.part,
                "lag_bytes": service.lag_bytes,
                "said": service.said,
            }
            for role, service in node.services.items()
        },
        "units": dict(zip(("running", "wanted"), node.units, strict=True)) if node.units else None,
        "certificate_days": node.certificate_days,
        "drifted": list(node.drifted),
        "version": node.version,
        "packages": dict(node.packages),
    }
