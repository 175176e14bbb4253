"""`cfy_manager dbs`: the databases of the cluster."""

import json
from pathlib import Path

import click

from installer.actions.members import list_databases
from installer.cli.dbs_verbs import reinit, set_master_command, shell
from installer.cli.member_table import FROM, JSON, member_table
from installer.status.members import database_verdict


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def dbs() -> None:
    """The databases of the cluster: how each is, which leads; a shell.

    Example: cfy_manager dbs list
    """


@dbs.command("list")
@FROM
@JSON
def list_command(path: Path | None, *, as_json: bool) -> int:
    """Show each database node: what it is to the others, and whether it and its etcd are well.

    On a database node or a manager, or from the controller with -i.

    Exit code: 0 healthy, 1 degraded, 2 down: no node leads.

    \b
    Examples: cfy_manager dbs list
              cfy_manager dbs list -i ten-nodes.yaml --json
    """
    rows = list_databases(path)
    verdict = database_verdict(rows)
    if as_json:
        click.echo(json.dumps({"verdict": verdict, "dbs": [row.as_json() for row in rows]}))
        return verdict.exit_code
    headings = ("node", "node_ip", "state", "alive", "etcd_state", "errors")
    table = [
        (row.name, row.node_ip, row.state, _yes(row.alive), row.etcd_state, row.errors)
        for row in rows
    ]
    click.echo(member_table(headings, table, verdict))
    return verdict.exit_code


def _yes(value: bool) -> str:
    return "yes" if value else "no"


dbs.add_command(set_master_command)
dbs.add_command(reinit)
dbs.add_command(shell)
