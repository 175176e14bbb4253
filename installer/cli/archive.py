"""What commands that write an archive of what nodes wrote share: their options, and its place."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_UNITS = {"m": 60, "h": 3600, "d": 86400}


def archive_options(name: str, *, since: str, most_mb: int) -> Callable[[F], F]:
    """Return the options of an archive: how old, how much, and where; with these defaults."""
    options = (
        click.option(
            "--since",
            metavar="AGE|DATE",
            callback=_moment,
            default=since,
            show_default=True,
            help="The oldest line of logs wanted: 30m, 6h, 2d, or a date in UTC.",
        ),
        click.option(
            "--max-mb",
            "most_mb",
            type=click.IntRange(1, 512),
            default=most_mb,
            show_default=True,
            help="Of each node's logs at most, unpacked; what was written last goes first.",
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(dir_okay=False, path_type=Path),
            help=f"The archive, .tar.gz; it must not exist.  [default: {name}-TIME.tar.gz]",
        ),
    )

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def new_target(output: Path | None, name: str) -> Path:
    """Return where an archive goes; one that is there already is never overwritten."""
    target = output or Path(f"{name}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.tar.gz")
    if target.exists():
        raise click.UsageError(f"{target} is there already: name another file")
    if not target.absolute().parent.is_dir():
        raise click.UsageError(f"{target.parent} is no folder")
    return target


def _moment(_context: click.Context, _option: click.Parameter, text: str) -> float:
    """Return seconds since 1970 of `30m`, `6h`, `2d`, or of a date in UTC."""
    if age := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return time.time() - int(age[1]) * _UNITS[age[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        told = f"{text!r} is neither an age such as 30m, 6h, 2d nor a date"
        raise click.BadParameter(told) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
