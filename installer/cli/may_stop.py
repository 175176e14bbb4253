"""`cfy_manager cluster may-stop`: may these hosts stop now, and which may be next?"""

import json
from pathlib import Path
from typing import Any

import click

from installer.actions.may_stop import Answer, ask_may_stop
from installer.actions.may_stop_here import ask_may_stop_here
from installer.cli.options import INVENTORY
from installer.errors import Refused
from installer.foresight.stopping import Verdict
from installer.report import print_text


@click.command("may-stop")
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...")
@INVENTORY
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def may_stop(nodes: tuple[str, ...], path: Path, *, as_json: bool) -> int:
    """Tell whether these hosts may stop now, all at one moment, and which may be next.

    Exit code: 0 they may, 8 they may not, with the reason for each service.

    \b
    Examples: cfy_manager cluster may-stop db-1 -i ten-nodes.yaml
              cfy_manager cluster may-stop queue-2 manager-1 -i ten-nodes.yaml --json
    """
    answer = ask_may_stop(path, nodes)
    if as_json:
        print_text(json.dumps(_as_json(answer)))
    else:
        _tell(answer)
    return 0 if answer.verdict.allows else Refused.exit_code


@click.command("may-stop", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def may_stop_here(*, as_json: bool) -> int:
    """Tell whether this host may stop now, asked of the databases and brokers it knows.

    A host with a manager or a load balancer does not know the others: ask on the controller, by
    `cfy_manager cluster may-stop`. Exit code: 0 it may, 8 it may not, or cannot tell.

    \b
    Examples: cfy_manager may-stop
              cfy_manager may-stop && systemctl poweroff
    """
    verdict = ask_may_stop_here()
    if as_json:
        print_text(json.dumps(_verdict_as_json(verdict)))
    else:
        _tell_verdict(verdict)
    return 0 if verdict.allows else Refused.exit_code


def _tell_verdict(verdict: Verdict) -> None:
    names = ", ".join(verdict.nodes)
    print_text(f"{names}: {'may stop now' if verdict.allows else 'must not stop now'}")
    for objection in verdict.objections:
        print_text(f"  {objection.part}: {objection.reason}\n    → {objection.remedy}")
    for note in verdict.notes if verdict.allows else ():
        print_text(f"  note: {note}")


def _tell(answer: Answer) -> None:
    order = answer.order
    _tell_verdict(answer.verdict)
    print_text(f"May stop next, one at a time: {', '.join(answer.next_nodes) or 'none'}")
    if order.waits_for:
        print_text(f"Not whole now: {', '.join(order.waits_for)}")
    if not order.impossible:
        print_text(f"All may restart in this order: {', '.join(order.nodes)}")
        return
    print_text("No order lets every node restart without a pause, not even of a whole cluster:")
    for each in order.impossible:
        print_text(f"  {', '.join(each.nodes)}: {each.objections[0].reason}")


def _as_json(answer: Answer) -> dict[str, Any]:
    order = answer.order
    return {
        **_verdict_as_json(answer.verdict),
        "next": list(answer.next_nodes),
        "not_whole": list(order.waits_for),
        "order": None if order.impossible else list(order.nodes),
        "impossible": [_verdict_as_json(verdict) for verdict in order.impossible],
    }


def _verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "nodes": list(verdict.nodes),
        "may_stop": verdict.allows,
        "objections": [
            {"part": each.part, "reason": each.reason, "remedy": each.remedy}
            for each in verdict.objections
        ],
        "notes": list(verdict.notes),
    }
