"""`cfy_manager cluster forecast` and `whatif`: what would happen, from the inventory alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from installer.cli.options import INVENTORY
from installer.foresight.forecast import Forecast, Loss
from installer.foresight.outlook import Outlook, load_outlook
from installer.foresight.survival import Outcome
from installer.foresight.whatif import (
    PURPOSES,
    Consequence,
    consequence,
    every_loss,
    is_zone,
    named_nodes,
)
from installer.report import print_lines, print_text

_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
_LOSSES = click.Choice([loss.value for loss in Loss])


@click.command()
@INVENTORY
@click.option("--explain", is_flag=True, help="Show what each time is made of, with its source.")
@click.option("--only", "losses", multiple=True, type=_LOSSES, help="This loss only; repeatable.")
@_JSON
def forecast(path: Path, explain: bool, losses: tuple[str, ...], as_json: bool) -> None:
    """Show how long each loss would interrupt the cluster, and what it may lose.

    The times follow from what the nodes will be configured with; nothing is connected.

    Example: cfy_manager cluster forecast -i ten-nodes.yaml --explain --only primary-host
    """
    outlook = load_outlook(path)
    shown = [found for found in outlook.forecasts if not losses or found.loss in losses]
    if as_json:
        click.echo(json.dumps(_forecasts_as_json(outlook, shown)))
        return
    print_lines(
        ("lost", "least", "expect", "at most", "interrupts", "data lost"), list(map(_row, shown))
    )
    for found in shown if explain else ():
        _explain(found)
    problems = [problem for problem in outlook.problems() if not losses or problem.where in losses]
    for problem in problems:
        print_text(f"\nwarning: {problem}")


@click.command()
@INVENTORY
@click.option("--lose", multiple=True, help="Nodes or zone:NAME, commas between; repeatable.")
@click.option("--all-pairs", is_flag=True, help="Show every node, pair and zone that is not safe.")
@_JSON
@click.pass_context
def whatif(
    context: click.Context, path: Path, lose: tuple[str, ...], all_pairs: bool, as_json: bool
) -> int:
    """Show what survives when nodes or zones are lost at one moment, and who takes over.

    Exit code: 0 requests and executions go on, 1 some of it or that depends on who leads,
    2 neither goes on; with --all-pairs for the worst single node or zone.

    \b
    Examples: cfy_manager cluster whatif -i ten-nodes.yaml --lose db-1,queue-2
              cfy_manager cluster whatif -i ten-nodes.yaml --lose zone:a
              cfy_manager cluster whatif -i ten-nodes.yaml --all-pairs
    """
    if bool(lose) == all_pairs:
        raise click.UsageError("say what is lost with --lose, or --all-pairs")
    outlook = load_outlook(path)
    if all_pairs:
        found = every_loss(outlook)
        _tell_all(found, as_json=as_json)
        return max(each.exit_code for each in found if is_zone(each) or len(each.lost) == 1)
    one = consequence(outlook, named_nodes(outlook.inventory, lose))
    if as_json:
        click.echo(json.dumps(_consequence_as_json(one)))
    else:
        _tell(one)
    return one.exit_code


def _row(found: Forecast) -> tuple[str, ...]:
    if found.until_repaired:
        times = ("-", "-", "until repaired")
    elif not found.terms:
        times = ("0 s", "0 s", "0 s")
    else:
        times = (
            f"{found.shortest_s:.0f} s",
            f"{found.average_s:.0f} s",
            f"{found.longest_s:.0f} s",
        )
    return (found.loss, *times, found.interrupts or "nothing", found.data)


def _explain(found: Forecast) -> None:
    print_text(f"\n{found.loss}: {found.title}")
    rows: list[tuple[str, ...]] = [
        (f"{t.shortest_s:.1f}", f"{t.average_s:.1f}", f"{t.longest_s:.1f}", t.what, t.source)
        for t in found.terms
    ]
    if rows:
        sums = (found.shortest_s, found.average_s, found.longest_s)
        rows.append((*(f"{value:.1f}" for value in sums), "in all", ""))
        print_lines(("least s", "expect s", "most s", "of which", "source"), rows)
    for note in found.notes:
        print_text(f"  {note}")


def _tell(found: Consequence) -> None:
    print_text(f"Lost: {found.label}\n")
    rows = [
        (fate.part, fate.outcome, str(pause), ", ".join(fate.successors), fate.reason)
        for fate, pause in zip(found.fates, found.pauses, strict=True)
    ]
    print_lines(("part", "outcome", "pause", "goes on with", "why"), rows)
    print_text(f"\n{_verdict(found)}")


def _verdict(found: Consequence) -> str:
    if found.outcome is Outcome.DEPENDS:
        return "Whether it survives depends on who leads."
    verdicts = ("It survives.", "It survives in part.", "It does not survive.")
    return verdicts[found.exit_code]


def _tell_all(found: Sequence[Consequence], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_consequence_as_json(each) for each in found]))
        return
    weak = [each for each in found if each.exit_code]
    if weak:
        rows = [
            (each.label, *(fate.outcome for fate in each.fates), _reason(each)) for each in weak
        ]
        print_lines(("lost", *(fate.part for fate in weak[0].fates), "why"), rows)
    zones = [each for each in found if is_zone(each)]
    nodes = [each for each in found if len(each.lost) == 1]
    for kind, losses in (("nodes", nodes), ("zones", zones)):
        safe = sum(1 for each in losses if not each.exit_code)
        if losses:
            print_text(f"{safe} of {len(losses)} {kind} may be lost, one at a time.")


def _reason(found: Consequence) -> str:
    lost = [
        fate.reason
        for fate in found.fates
        if fate.part not in PURPOSES and not fate.outcome.survives
    ]
    return "; ".join(dict.fromkeys(lost))


def _forecasts_as_json(outlook: Outlook, shown: Iterable[Forecast]) -> dict[str, Any]:
    return {
        "forecasts": [
            {
                "loss": each.loss,
                "title": each.title,
                "interrupts": each.interrupts,
                "data_lost": each.data,
                "until_repaired": each.until_repaired,
                "shortest_s": each.shortest_s,
                "average_s": each.average_s,
                "longest_s": each.longest_s,
                "terms": [{**asdict(term), "likely_s": term.average_s} for term in each.terms],
                "notes": list(each.notes),
            }
            for each in shown
        ],
        "warnings": [
            {"where": p.where, "code": p.code, "what": p.what, "remedy": p.remedy}
            for p in outlook.problems()
        ],
    }


def _consequence_as_json(found: Consequence) -> dict[str, Any]:
    return {
        "lost": list(found.lost),
        "label": found.label,
        "outcome": found.outcome,
        "survives": found.exit_code == 0,
        "parts": {
            fate.part: {
                "outcome": fate.outcome,
                "reason": fate.reason,
                "successors": list(fate.successors),
                "pause_s": [pause.shortest_s, pause.longest_s],
            }
            for fate, pause in zip(found.fates, found.pauses, strict=True)
        },
    }
