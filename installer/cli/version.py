"""`cfy_manager version` and `cluster version`: what runs here, and on each node."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from installer.actions.versions import Version, cluster_versions, node_versions, own_version
from installer.cli.options import INVENTORY
from installer.errors import NodeUnreachable
from installer.report import print_lines, print_text

_JSON = click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
_HELP = {"help_option_names": ["-h", "--help"]}


@click.command(context_settings=_HELP)
@_JSON
def version(*, as_json: bool) -> None:
    """Tell the versions of cfy_manager, of the manager's runtime and of the services here.

    Example: cfy_manager version --json
    """
    _tell(node_versions(), as_json=as_json)


@click.command("version", context_settings=_HELP)
@INVENTORY
@_JSON
def version_of_cluster(path: Path, *, as_json: bool) -> None:
    """Tell the versions of cfy_manager, of the runtime and of the services on every node.

    A program whose version differs between nodes is marked; a node that does not answer is told
    at the end, with exit code 5.

    Example: cfy_manager cluster version -i ten-nodes.yaml
    """
    found, problems = cluster_versions(path)
    _tell(found, as_json=as_json)
    if problems:
        raise NodeUnreachable(*problems)


def _tell(found: Sequence[Version], *, as_json: bool) -> None:
    if as_json:
        print_text(json.dumps({"own": own_version(), "nodes": [asdict(v) for v in found]}))
        return
    print_text(f"cfy_manager {own_version()}, this program")
    mixed = {v.program for v in found for w in found if _differ(v, w)}
    rows = [(v.node, v.program, v.version + "  differs" * (v.program in mixed)) for v in found]
    if rows:
        print_lines(("NODE", "PROGRAM", "VERSION"), rows)
    else:
        print_text("None of our services is installed here.")


def _differ(one: Version, other: Version) -> bool:
    return one.program == other.program and one.version != other.version
