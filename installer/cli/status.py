"""`cfy_manager cluster status`: how every node and service is now, and what is wrong."""

import json
import sys
import time
from pathlib import Path

import click

from installer.cli.options import INVENTORY
from installer.cli.status_view import status_json, status_text
from installer.inventory import load_inventory
from installer.status.collect import ANSWER_S, Watcher
from installer.status.judge import judge
from installer.status.model import ClusterStatus

_CLEAR = "\x1b[H\x1b[J"  # home, and everything below it


@click.command()
@INVENTORY
@click.option("--watch", is_flag=True, help="Ask again and again, until interrupted.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    help="Seconds between two looks of --watch.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=ANSWER_S,
    show_default=True,
    help="Seconds that a node may take to answer.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each look.")
def status(path: Path, watch: bool, every_s: float, timeout_s: float, as_json: bool) -> int:
    """Show how every node and service is now, and what is wrong.

    One login to each node, all at once; what does not answer within seconds is told so.

    Exit code: 0 healthy, 1 degraded, 2 down; of --watch that of the last look.

    \b
    Examples: cfy_manager cluster status -i ten-nodes.yaml
              cfy_manager cluster status -i ten-nodes.yaml --watch
              cfy_manager cluster status -i ten-nodes.yaml --json | jq .verdict
    """
    inventory = load_inventory(path)
    with Watcher(inventory, timeout_s=timeout_s) as watcher:
        found = judge(watcher.facts())
        _tell(found, as_json=as_json, is_watched=watch)
        while watch:
            try:
                time.sleep(max(0.0, every_s - found.seconds))
                found = judge(watcher.facts())
            except KeyboardInterrupt:
                break
            _tell(found, as_json=as_json, is_watched=True)
    return found.verdict.exit_code


def _tell(found: ClusterStatus, *, as_json: bool, is_watched: bool) -> None:
    if as_json:
        click.echo(json.dumps(status_json(found)))
        return
    text = status_text(found)
    if is_watched:
        head = f"{time.strftime('%H:%M:%S')}  "
        text = f"{_CLEAR if sys.stdout.isatty() else ''}{head}{text}"
    click.echo(text)
