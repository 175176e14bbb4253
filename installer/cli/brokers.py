"""`cfy_manager brokers`: the brokers of the cluster."""

from pathlib import Path

import click

from installer.actions.members import list_brokers
from installer.cli.member_table import FROM, JSON, show_members
from installer.status.members import broker_verdict


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def brokers() -> None:
    """The brokers of the cluster: how each is.

    Example: cfy_manager brokers list
    """


@brokers.command("list")
@FROM
@JSON
def list_command(path: Path | None, *, as_json: bool) -> int:
    """Show each broker: whether it runs, and its alarms.

    On a broker or a manager, or from the controller with -i.

    Exit code: 0 healthy, 1 degraded, 2 down: too few run, or an alarm stops all publishers.

    \b
    Examples: cfy_manager brokers list
              cfy_manager brokers list -i ten-nodes.yaml --json
    """
    rows = list_brokers(path)
    return show_members("brokers", rows, broker_verdict(rows), as_json=as_json)
