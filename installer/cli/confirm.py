"""Ask a person for a cluster's name before what cannot be taken back lightly."""

import click

from installer.errors import Problem, Refused


def demand_name(name: str, command: str, question: str) -> None:
    """Raise Refused unless the person types the cluster's name."""
    typed = click.prompt(f"{question} Type the cluster's name, {name}, to go on")
    if typed != name:
        raise Refused(
            Problem(
                where=command,
                what=f"{typed} is not the name of the cluster, {name}",
                remedy="type it exactly, or say --yes",
            )
        )
