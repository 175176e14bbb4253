"""`cfy_manager dbs`: the databases of the cluster."""

from pathlib import Path

import click

from installer.actions.members import list_databases
from installer.cli.dbs_verbs import reinit, set_master_command, shell
from installer.cli.member_table import FROM, JSON, show_members
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
    return show_members("dbs", rows, database_verdict(rows), as_json=as_json)


dbs.add_command(set_master_command)
dbs.add_command(reinit)
dbs.add_command(shell)
