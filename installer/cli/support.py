"""`cfy_manager support-bundle` and `cluster support-bundle`: what an engineer needs at night."""

import json
from pathlib import Path

import click

from installer.actions.logs import LogWish
from installer.actions.support import bundle_cluster
from installer.actions.support_node import SupportWish, bundle_node
from installer.cli.archive import archive_options, new_target
from installer.cli.options import INVENTORY
from installer.cli.status_view import status_json, status_text
from installer.errors import NodeUnreachable
from installer.report import print_text
from installer.status.model import ClusterStatus
from installer.support.contents import Bundled

_HELP = {"help_option_names": ["-h", "--help"]}
_NAME = "support"
_SHOWN = 12
_ARCHIVE = archive_options(_NAME, since="6h", most_mb=16)
_TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=click.IntRange(10, 3600),
    default=120,
    show_default=True,
    help="Seconds that a node may take over its answers, and then over its logs.",
)


@click.command("support-bundle", context_settings=_HELP)
@_ARCHIVE
@_TIMEOUT
def support_bundle(since: float, most_mb: int, timeout_s: int, output: Path | None) -> None:
    """Gather this node's state, configuration and logs into one archive, secrets masked.

    Nothing is changed; the services are asked, each within its time.

    Example: cfy_manager support-bundle --since 2h
    """
    wish = SupportWish(logs=LogWish(since=since, most_mb=most_mb), timeout_s=timeout_s)
    _tell(bundle_node(wish, new_target(output, _NAME)))


@click.command("support-bundle", context_settings=_HELP)
@INVENTORY
@_ARCHIVE
@_TIMEOUT
def support_bundle_of_cluster(
    path: Path, since: float, most_mb: int, timeout_s: int, output: Path | None
) -> None:
    """Gather state, configuration and logs of all nodes into one archive, secrets masked.

    Status, versions, plan and drift, certificates, runs; of each node its units, disks, network,
    what its services say of themselves, their configuration and logs. A node that does not
    answer is told at the end, with exit code 5; the others are there.

    Example: cfy_manager cluster support-bundle -i ten-nodes.yaml --since 2h
    """
    wish = SupportWish(logs=LogWish(since=since, most_mb=most_mb), timeout_s=timeout_s)
    _tell(bundle_cluster(path, wish, new_target(output, _NAME), _described))


def _described(status: ClusterStatus) -> dict[str, str]:
    return {
        "status.txt": click.unstyle(status_text(status)) + "\n",
        "status.json": json.dumps(status_json(status), indent=1),
    }


def _tell(made: Bundled) -> None:
    size = made.path.stat().st_size / 1024 / 1024
    told = f"{made.files} files, {size:.1f} MB, in {made.seconds:.0f} s, secrets masked"
    print_text(f"{made.path}: {told}")
    for line in made.failed[:_SHOWN]:
        print_text(f"  not had: {line}")
    if len(made.failed) > _SHOWN:
        print_text(f"  … and {len(made.failed) - _SHOWN} more, see README.txt in it")
    for name in made.cut:
        print_text(f"  cut to its limit: {name}")
    if made.problems:
        raise NodeUnreachable(*made.problems)
