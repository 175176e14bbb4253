"""`cfy_manager brokers`: the brokers of the cluster."""

import json
from pathlib import Path

import click

from installer.actions.members import list_brokers
from installer.cli.member_table import FROM, JSON, member_table
from installer.cli.role_members import add_broker, remove_broker
from installer.status.members import broker_verdict


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def brokers() -> None:
    """The brokers of the cluster: how each is, more and fewer of them.

    Example: cfy_manager brokers list
    """


brokers.add_command(add_broker)
brokers.add_command(remove_broker)


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
    verdict = broker_verdict(rows)
    if as_json:
        click.echo(json.dumps({"verdict": verdict, "brokers": [row.as_json() for row in rows]}))
        return verdict.exit_code
    table = [
        (row.broker_name, "yes" if row.running else "no", ", ".join(row.alarms) or "-", row.errors)
        for row in rows
    ]
    click.echo(member_table(("broker_name", "running", "alarms", "errors"), table, verdict))
    return verdict.exit_code
