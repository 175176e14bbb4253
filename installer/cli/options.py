"""Options that several commands of a cluster share."""

from pathlib import Path

import click

INVENTORY = click.option(
    "-i",
    "--inventory",
    "path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The cluster file: nodes, roles, addresses.",
)
ONLY = click.option("--only", multiple=True, help="Run only this phase or role; repeatable.")
SKIP = click.option("--skip", multiple=True, help="Leave this phase or role out; repeatable.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
WITHOUT_UNREACHABLE = click.option(
    "--without-unreachable",
    is_flag=True,
    help="Go on when hosts do not answer: they stay as they are.",
)
