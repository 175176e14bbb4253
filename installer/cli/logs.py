"""`cfy_manager logs fetch` and `cluster logs fetch`: what every node wrote, in one archive."""

from pathlib import Path

import click

from installer.actions.logs import Fetched, LogWish, fetch_cluster_logs, fetch_node_logs
from installer.cli.archive import archive_options, new_target
from installer.cli.options import INVENTORY
from installer.errors import NodeUnreachable
from installer.report import print_text

_HELP = {"help_option_names": ["-h", "--help"]}
_ARCHIVE = archive_options("logs", since="24h", most_mb=32)


@click.group(context_settings=_HELP)
def logs() -> None:
    """Journals and log files."""


@click.group("logs", context_settings=_HELP)
def logs_of_cluster() -> None:
    """Journals and log files of all nodes."""


@logs.command("fetch")
@_ARCHIVE
def fetch(since: float, most_mb: int, output: Path | None) -> None:
    """Write this node's journal and log files into one archive, secrets masked.

    Example: cfy_manager logs fetch --since 2h
    """
    target = new_target(output, "logs")
    _tell(fetch_node_logs(LogWish(since=since, most_mb=most_mb), target))


@logs_of_cluster.command("fetch")
@INVENTORY
@_ARCHIVE
def fetch_of_cluster(path: Path, since: float, most_mb: int, output: Path | None) -> None:
    """Write journals and log files of all nodes into one archive, secrets masked.

    A node that does not answer is told at the end, with exit code 5; the others are there.

    Example: cfy_manager cluster logs fetch -i ten-nodes.yaml --since 2h -o logs.tar.gz
    """
    target = new_target(output, "logs")
    _tell(fetch_cluster_logs(path, LogWish(since=since, most_mb=most_mb), target))


def _tell(fetched: Fetched) -> None:
    size = fetched.path.stat().st_size / 1024 / 1024
    print_text(f"{fetched.path}: {fetched.files} files, {size:.1f} MB, secrets masked")
    for name in fetched.cut:
        print_text(f"  cut to its limit: {name}")
    if fetched.problems:
        raise NodeUnreachable(*fetched.problems)
