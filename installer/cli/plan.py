"""`cfy_manager cluster plan` and `drift`: what a run would change, and what people changed."""

import functools
import json
from pathlib import Path

import click

from installer.actions.drift import cluster_drift
from installer.actions.on_drift import OnDrift
from installer.actions.options import RunOptions
from installer.actions.plan import VALID_HOURS, PlanRequest, plan_cluster
from installer.cli.options import INVENTORY, JSON, ONLY, SKIP
from installer.cli.plan_view import drift_view, plan_view
from installer.engine.drift import Drifted
from installer.report import print_text

_TELL = functools.partial(click.echo, err=True)
_YEAR_HOURS = 8760


@click.command()
@INVENTORY
@ONLY
@SKIP
@click.option("--diff", is_flag=True, help="Show each change, and of files the diff; no secret.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the plan for `install --plan`.",
)
@click.option(
    "--valid-hours",
    type=click.FloatRange(min=0, max=_YEAR_HOURS, min_open=True),
    default=VALID_HOURS,
    show_default=True,
    help="How long a saved plan may be applied.",
)
@click.option(
    "--on-drift",
    type=click.Choice([OnDrift.KEEP.value, OnDrift.OVERWRITE.value]),
    help="What to do with files that were changed by hand.  [default: as decided before, "
    "else overwrite; a copy stays on the node]",
)
@JSON
def plan(  # noqa: PLR0913 - one for each option
    path: Path,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    output: Path | None,
    valid_hours: float,
    on_drift: str | None,
    *,
    diff: bool,
    as_json: bool,
) -> None:
    """Show what `install` would change on each node, and change nothing there.

    \b
    cfy_manager cluster plan -i ten-nodes.yaml --diff
    cfy_manager cluster plan -i ten-nodes.yaml -o plan.json
    cfy_manager cluster install -i ten-nodes.yaml --plan plan.json
    """
    planned = plan_cluster(
        path,
        PlanRequest(
            options=RunOptions(only=only, skip=skip),
            on_drift=OnDrift(on_drift) if on_drift else None,
            with_content=diff,
            output=output,
            valid_hours=valid_hours,
        ),
        _TELL,
    )
    if as_json:
        print_text(json.dumps(planned.plan.as_json()))
    else:
        plan_view(planned, path, with_diff=diff)


@click.command()
@INVENTORY
@JSON
@click.option("--diff", is_flag=True, help="Show the diff of each file; no secret.")
@click.option("--exit-code", is_flag=True, help="Exit 1 when something was changed by hand.")
@click.pass_context
def drift(
    context: click.Context, path: Path, *, diff: bool, exit_code: bool, as_json: bool
) -> None:
    """Show what differs from what the last run wrote: written, found and wanted, side by side.

    Example: cfy_manager cluster drift -i ten-nodes.yaml --diff
    """
    drifts = cluster_drift(path, _TELL, with_content=diff)
    if as_json:
        print_text(json.dumps({node: _json(files) for node, files in drifts.items()}))
    else:
        drift_view(drifts, path, with_diff=diff)
    if exit_code and any(one.drift.is_by_hand for found in drifts.values() for one in found):
        context.exit(1)


def _json(found: tuple[Drifted, ...]) -> list[dict[str, str | None]]:
    return [one.as_json() for one in found]
