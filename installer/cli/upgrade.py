"""`cfy_manager cluster upgrade`: to another bundle, node by node."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from installer.actions.major import MajorRequest
from installer.actions.upgrade import UpgradeRequest, plan_cluster_upgrade, upgrade_cluster
from installer.actions.upgrade import roll_back as take_back
from installer.actions.upgrade_plan import ROLES, Turn, UpgradePlan
from installer.cli.options import INVENTORY, JSON
from installer.cli.upgrade_postgresql import Wish, change_postgresql
from installer.phases import PhaseResult
from installer.report import print_lines, print_text, print_timing, report_for

_HEADINGS = ("NODE", "ROLE", "WHAT", "FROM", "TO")


@click.command()
@INVENTORY
@click.option(
    "--bundle",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The bundle to go to.  [default: that of the upgrade under way]",
)
@click.option("--dry-run", is_flag=True, help="Only show each node's versions, from and to.")
@click.option("--canary", help="The manager to upgrade first.")
@click.option("--canary-only", is_flag=True, help="End after the canary; the next run goes on.")
@click.option(
    "--observe",
    "observe_s",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How many seconds the canary must stay healthy.",
)
@click.option("--without-backup", is_flag=True, help="Make no backup first.")
@click.option("--interrupt", is_flag=True, help="Accept that services of a single node pause.")
@click.option("--roll-back", is_flag=True, help="Take upgraded managers to the bundle before.")
@click.option(
    "--postgresql",
    type=int,
    metavar="MAJOR",
    help="Change PostgreSQL's major version instead: nobody can read or write meanwhile.",
)
@click.option("--lose-writes", is_flag=True, help="Go back although managers have written since.")
@click.option("--remove-old", is_flag=True, help="Remove the major version before for good.")
@JSON
def upgrade(  # noqa: PLR0913 - one for each option
    path: Path,
    bundle: Path | None,
    canary: str | None,
    observe_s: float,
    *,
    dry_run: bool,
    canary_only: bool,
    without_backup: bool,
    interrupt: bool,
    roll_back: bool,
    postgresql: int | None,
    lose_writes: bool,
    remove_old: bool,
    as_json: bool,
) -> None:
    """Bring packages and runtime to another bundle, one node at a time, so that clients go on.

    One manager goes first and must prove itself; else it goes back and no other node is touched.
    The first gate that fails ends the run; the next run goes on with what is left.

    \b
    cfy_manager cluster upgrade -i ten-nodes.yaml --bundle dist/new --dry-run
    cfy_manager cluster upgrade -i ten-nodes.yaml --bundle dist/new --canary-only
    cfy_manager cluster upgrade -i ten-nodes.yaml
    cfy_manager cluster upgrade -i ten-nodes.yaml --roll-back
    cfy_manager cluster upgrade -i ten-nodes.yaml --postgresql 17 --interrupt
    """
    if postgresql is not None:
        _demand_alone(bundle, canary, canary_only=canary_only)
        wish = Wish(dry_run=dry_run, roll_back=roll_back, remove_old=remove_old)
        asked = MajorRequest(wanted=postgresql, without_backup=without_backup, interrupt=interrupt)
        change_postgresql(path, asked, wish, lose_writes=lose_writes, as_json=as_json)
        return
    if lose_writes or remove_old:
        raise click.UsageError("--lose-writes and --remove-old belong to --postgresql MAJOR.")
    request = UpgradeRequest(
        bundle=bundle,
        canary=canary,
        canary_only=canary_only,
        observe_s=observe_s,
        without_backup=without_backup,
        interrupt=interrupt,
    )
    if dry_run:
        _show(plan_cluster_upgrade(path, request), as_json=as_json)
        return
    report = report_for(as_json=as_json)
    if roll_back:
        _tell(take_back(path, report, interrupt=interrupt), path, as_json=as_json)
        return
    results = upgrade_cluster(path, request, report)
    _tell(results, path, as_json=as_json, is_whole=not canary_only)


def _demand_alone(bundle: Path | None, canary: str | None, *, canary_only: bool) -> None:
    if bundle is not None or canary is not None or canary_only:
        raise click.UsageError(
            "--postgresql is an upgrade of its own: bring the bundle first, then the version."
        )


def _show(plan: UpgradePlan, *, as_json: bool) -> None:
    if as_json:
        turns = {n: {r: asdict(t) for r, t in roles.items()} for n, roles in plan.turns.items()}
        print_text(json.dumps({"kind": "plan", "bundle": str(plan.bundle.path), "nodes": turns}))
        return
    if not plan.is_needed:
        print_text("Every node is as the bundle says; nothing to upgrade.")
        return
    print_lines(_HEADINGS, [*_rows(plan)])


def _rows(plan: UpgradePlan) -> Iterator[tuple[str, ...]]:
    for node in plan.nodes:
        for role in ROLES:
            for row in _turn_rows(plan.turn(role, node)):
                yield (node, role, *row)


def _turn_rows(turn: Turn) -> Iterator[tuple[str, str, str]]:
    programs = [move for move in turn.packages if move.is_program]
    for move in (*turn.environments, *programs):
        yield move.name, move.found, move.wanted
    if libraries := len(turn.packages) - len(programs):
        yield f"{libraries} more packages", "", "as in the bundle"
    if turn.others:
        yield "configuration", "", f"changes: {len(turn.others)}, `cluster plan` shows them"


def _tell(
    results: tuple[PhaseResult, ...], path: Path, *, as_json: bool, is_whole: bool = True
) -> None:
    if as_json or not results:
        return
    print_timing(results)
    if is_whole:
        print_text(f"Next: cfy_manager cluster status -i {path}")
    else:
        print_text(
            f"Next: cfy_manager cluster upgrade -i {path} goes on; with --roll-back it goes back."
        )
