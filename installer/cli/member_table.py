"""What `dbs list` and `brokers list` share: where they ask, and their table."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from installer.status.members import BrokerRow, DatabaseRow
from installer.status.model import Verdict

FROM = click.option(
    "-i",
    "--inventory",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Work from the controller, by SSH; without it from this node.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
_COLOURS = {Verdict.HEALTHY: "green", Verdict.DEGRADED: "yellow", Verdict.DOWN: "red"}


def show_members(
    kind: str, rows: Sequence[DatabaseRow | BrokerRow], verdict: Verdict, *, as_json: bool
) -> int:
    """Print the members of a kind and how they are together; return the exit code of that."""
    if as_json:
        click.echo(json.dumps({"verdict": verdict, kind: [row.as_json() for row in rows]}))
        return verdict.exit_code
    cells = [row.cells() for row in rows]
    table = [tuple(row.values()) for row in cells]
    click.echo(member_table(tuple(cells[0]), table, verdict))
    return verdict.exit_code


def member_table(headings: Sequence[str], rows: Sequence[Sequence[str]], verdict: Verdict) -> str:
    """Return a table, one line for each row, and the verdict below it."""
    table = [headings, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join([*lines, "", click.style(verdict, fg=_COLOURS[verdict], bold=True)])
