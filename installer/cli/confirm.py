"""Ask a person to type the cluster's name before something that cannot be taken back."""

import sys

import click

from installer.errors import Problem, Refused


def demand_name(command: str, consequence: str, name: str) -> None:
    """Raise Refused unless the name is typed; also where nobody can be asked."""
    try:
        typed = click.prompt(f"{consequence} Type the cluster's name, {name}, to go on")
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        what = "nobody can be asked here whether to go on"
        raise Refused(_problem(command, what)) from error
    if typed != name:
        raise Refused(_problem(command, f"{typed} is not the name of the cluster, {name}"))


def _problem(command: str, what: str) -> Problem:
    return Problem(
        where=command,
        what=what,
        remedy="type the name exactly, or say --yes",
        code="not-confirmed",
    )
