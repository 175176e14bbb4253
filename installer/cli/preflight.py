"""How preflight is asked for and told, by the commands of a cluster and of a node."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from installer.preflight.examination import Examination, Verdict
from installer.preflight.report import as_json as json_of
from installer.preflight.report import as_junit, counts, node_report, rows
from installer.report import print_rows, print_text

F = TypeVar("F", bound=Callable[..., Any])

WAIVE = click.option(
    "--waive",
    "waived",
    multiple=True,
    metavar="CODE",
    help="Go on in spite of what this check finds; repeatable.",
)


def reports(command: F) -> F:
    """Add the options that say where to write what was found."""
    folder = click.Path(file_okay=False, path_type=Path)
    file = click.Path(dir_okay=False, path_type=Path)
    command = click.option(
        "--report", "folder", type=folder, help="Write a report for each node into this folder."
    )(command)
    return click.option("--junit", type=file, help="Write JUnit's XML into this file.")(command)


def tell_examination(
    found: Examination, seconds: float, *, as_json: bool, junit: Path | None, folder: Path | None
) -> None:
    """Print what was found and write the reports that were asked for."""
    if junit is not None:
        junit.write_bytes(as_junit(found, seconds))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for node in found.nodes:
            (folder / f"{node}.txt").write_text(node_report(found, node), encoding="utf-8")
    if as_json:
        print_text(json.dumps(json_of(found, seconds)))
        return
    if table := rows(found):
        print_rows(("result", "check", "nodes"), table)
        print_text("")
    for problem in found.shared(Verdict.WARNING, Verdict.WAIVED):
        print_text(str(problem))
    print_text(f"Preflight: {counts(found)}, in {seconds:.1f} s. Nothing was changed.")
