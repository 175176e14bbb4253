"""`cfy_manager logs fetch` and `cluster logs fetch`: what every node wrote, in one archive."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from installer.actions.logs import Fetched, LogWish, fetch_cluster_logs, fetch_node_logs
from installer.cli.options import INVENTORY
from installer.errors import NodeUnreachable
from installer.report import print_text

F = TypeVar("F", bound=Callable[..., Any])
_HELP = {"help_option_names": ["-h", "--help"]}
_UNITS = {"m": 60, "h": 3600, "d": 86400}


def moment(_context: click.Context, _option: click.Parameter, text: str) -> float:
    """Return seconds since 1970 of `30m`, `6h`, `2d`, or of a date in UTC."""
    if age := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return time.time() - int(age[1]) * _UNITS[age[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        told = f"{text!r} is neither an age such as 30m, 6h, 2d nor a date"
        raise click.BadParameter(told) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _wishes(command: F) -> F:
    since = click.option(
        "--since",
        metavar="AGE|DATE",
        callback=moment,
        default="24h",
        show_default=True,
        help="The oldest line wanted: 30m, 6h, 2d, or a date in UTC.",
    )
    most = click.option(
        "--max-mb",
        "most_mb",
        type=click.IntRange(1, 512),
        default=32,
        show_default=True,
        help="Of each node at most, unpacked; what was written last goes first.",
    )
    output = click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The archive, .tar.gz; it must not exist.  [default: logs-TIME.tar.gz]",
    )
    return since(most(output(command)))


@click.group(context_settings=_HELP)
def logs() -> None:
    """Journals and log files."""


@click.group("logs", context_settings=_HELP)
def logs_of_cluster() -> None:
    """Journals and log files of all nodes."""


@logs.command("fetch")
@_wishes
def fetch(since: float, most_mb: int, output: Path | None) -> None:
    """Write this node's journal and log files into one archive, secrets masked.

    Example: cfy_manager logs fetch --since 2h
    """
    target = new_target(output, "logs")
    _tell(fetch_node_logs(LogWish(since=since, most_mb=most_mb), target))


@logs_of_cluster.command("fetch")
@INVENTORY
@_wishes
def fetch_of_cluster(path: Path, since: float, most_mb: int, output: Path | None) -> None:
    """Write journals and log files of all nodes into one archive, secrets masked.

    A node that does not answer is told at the end, with exit code 5; the others are there.

    Example: cfy_manager cluster logs fetch -i ten-nodes.yaml --since 2h -o logs.tar.gz
    """
    target = new_target(output, "logs")
    _tell(fetch_cluster_logs(path, LogWish(since=since, most_mb=most_mb), target))


def new_target(output: Path | None, name: str) -> Path:
    """Return where an archive goes; one that is there already is never overwritten."""
    target = output or Path(f"{name}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.tar.gz")
    if target.exists():
        raise click.UsageError(f"{target} is there already: name another file")
    if not target.absolute().parent.is_dir():
        raise click.UsageError(f"{target.parent} is no folder")
    return target


def _tell(fetched: Fetched) -> None:
    size = fetched.path.stat().st_size / 1024 / 1024
    print_text(f"{fetched.path}: {fetched.files} files, {size:.1f} MB, secrets masked")
    for name in fetched.cut:
        print_text(f"  cut to its limit: {name}")
    if fetched.problems:
        raise NodeUnreachable(*fetched.problems)
