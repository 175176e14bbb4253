"""`cfy_manager dbs set-master`, `reinit` and `shell`."""

import sys
from pathlib import Path

import click

from installer.actions.primary import set_master
from installer.actions.psql import Question, open_psql
from installer.actions.reinit import reinit_database
from installer.cli.member_table import FROM
from installer.cli.options import JSON
from installer.report import print_text, print_timing, report_for

_NODE = click.argument("node", metavar="NODE")


@click.command("set-master")
@_NODE
@FROM
@JSON
def set_master_command(node: str, path: Path | None, *, as_json: bool) -> None:
    """Let the synchronous replica NODE, by name or address, lead in place of the primary.

    Waits until writes come through, every replica follows, and managers and load balancers have
    found the new primary. Refuses (exit code 8) a node that leads already, does not follow, lags,
    or is not synchronous, and while Patroni is paused. Again goes on with a run that was killed.

    \b
    Examples: cfy_manager dbs set-master db-2 -i ten-nodes.yaml
              cfy_manager dbs set-master 10.0.0.12
    """
    results = set_master(path, node, report_for(as_json=as_json))
    if not as_json:
        print_timing(results)
        print_text(f"Next: cfy_manager dbs list{_with(path)}")


@click.command()
@_NODE
@FROM
@click.option("--force", is_flag=True, help="The last replica too: meanwhile nobody can take over.")
@JSON
def reinit(node: str, path: Path | None, *, force: bool, as_json: bool) -> None:
    """Throw the data of the replica NODE away and copy the primary's anew; wait until it follows.

    Refuses (exit code 8) the primary, and the last replica that follows. Again goes on with a copy
    that is under way.

    \b
    Examples: cfy_manager dbs reinit db-3 -i ten-nodes.yaml
              cfy_manager dbs reinit db-3      (on db-3)
    """
    results = reinit_database(path, node, report_for(as_json=as_json), force=force)
    if not as_json:
        print_timing(results)
        print_text(f"Next: cfy_manager dbs list{_with(path)}")


@click.command()
@FROM
@click.option("-d", "--dbname", default="cloudify_db", show_default=True, help="The database.")
@click.option("-c", "--command", "statement", help="Run this SQL and end.")
def shell(path: Path | None, dbname: str, statement: str | None) -> int:
    """Open psql on the primary, wherever it is, as the database's superuser.

    SQL from standard input is run, too; on the first error psql ends with code 3.

    \b
    Examples: cfy_manager dbs shell -i ten-nodes.yaml
              cfy_manager dbs shell -c 'select count(*) from executions'
              cfy_manager dbs shell < report.sql
    """
    question = Question(database=dbname, statement=statement, is_talk=_is_talk(statement))
    return open_psql(path, question)


def _is_talk(statement: str | None) -> bool:
    return statement is None and sys.stdin.isatty()


def _with(path: Path | None) -> str:
    return f" -i {path}" if path else ""
