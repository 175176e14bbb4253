"""How preflight is asked for and told, by the commands of a cluster and of a node."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from installer.actions.preflight import Examined
from installer.preflight.checks import CHECKS
from installer.preflight.examination import Examination, Verdict
from installer.preflight.network import CODES as NETWORK_CODES
from installer.preflight.network import Tried, matrix_document, matrix_legend, matrix_rows
from installer.preflight.report import as_json as json_of
from installer.preflight.report import as_junit, counts, node_report, rows
from installer.report import print_lines, print_rows, print_text

F = TypeVar("F", bound=Callable[..., Any])

WAIVE = click.option(
    "--waive",
    "waived",
    multiple=True,
    metavar="CODE",
    help="Go on in spite of what this check finds; repeatable.",
)

VERBOSE = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Show the services' journals also where the cause of a failure is known.",
)


def reports(command: F) -> F:
    """Add the options that say where to write what was found."""
    folder = click.Path(file_okay=False, path_type=Path)
    file = click.Path(dir_okay=False, path_type=Path)
    command = click.option(
        "--list",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list_checks,
        help="Print the name of every check and what it sees to.",
    )(command)
    command = click.option(
        "--report", "folder", type=folder, help="Write a report for each node into this folder."
    )(command)
    return click.option("--junit", type=file, help="Write JUnit's XML into this file.")(command)


def _list_checks(ctx: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not ctx.resilient_parsing:
        checks = [(check.code, check.title) for check in CHECKS]
        print_rows(("check", "what holds"), [*checks, *NETWORK_CODES.items()])
        ctx.exit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How the operator wants to be told what was found."""

    as_json: bool
    junit: Path | None
    folder: Path | None
    then: str  # the command that comes next when nothing forbids it


def tell_examination(examined: Examined, seconds: float, telling: Telling) -> None:
    """Print what was found and write the reports that were asked for.

    Raises PreflightError with everything that forbids the work.
    """
    found, network = examined.examination, examined.network
    _write_reports(found, seconds, telling)
    if telling.as_json:
        tried = {"network": matrix_document(network)} if network else {}
        print_text(json.dumps(json_of(found, seconds) | tried))
    else:
        if network is not None and network.attempts:
            _print_matrix(network)
        _print(found, seconds)
    found.demand()
    if not telling.as_json:
        print_text(f"Next: {telling.then}")


def _write_reports(found: Examination, seconds: float, telling: Telling) -> None:
    junit, folder = telling.junit, telling.folder
    if junit is not None:
        junit.write_bytes(as_junit(found, seconds))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for node in found.nodes:
            (folder / f"{node}.txt").write_text(node_report(found, node), encoding="utf-8")


def _print(found: Examination, seconds: float) -> None:
    if table := rows(found):
        print_rows(("result", "check", "nodes"), table)
        print_text("")
    for problem in found.shared(Verdict.WARNING, Verdict.WAIVED):
        print_text(str(problem))
    print_text(f"Preflight: {counts(found)}, in {seconds:.1f} s. Nothing was changed.")


def _print_matrix(tried: Tried) -> None:
    headings, *lines = matrix_rows(tried)
    print_lines(headings, lines)
    print_text(f"{matrix_legend(tried)}\n")
