"""`cfy_manager sanity-check` and `cluster sanity-check`: a blueprint's whole way."""

import time
from pathlib import Path

import click

from installer.actions.sanity import check_cluster, check_node
from installer.cli.options import INVENTORY
from installer.report import print_text

_HELP = {"help_option_names": ["-h", "--help"]}


@click.command("sanity-check", context_settings=_HELP)
def sanity_check() -> None:
    """Let a small blueprint go its whole way through this node's manager, and delete it again.

    Database, broker, worker and files must work together for it. Exit code 7 when a step fails;
    what was made is deleted all the same.

    Example: cfy_manager sanity-check
    """
    began = time.monotonic()
    _summary(check_node(_tell), began)


@click.command("sanity-check", context_settings=_HELP)
@INVENTORY
@click.option("--manager", help="Try this manager, not the clients' address.")
def sanity_check_of_cluster(path: Path, manager: str | None) -> None:
    """Upload a small blueprint, install it, read what it says, and take all of it away.

    It shows what no status can: that database, broker, workers and files work together. Exit
    code 7 when a step fails; what was made is deleted all the same.

    \b
    cfy_manager cluster sanity-check -i ten-nodes.yaml
    cfy_manager cluster sanity-check -i ten-nodes.yaml --manager manager-2
    """
    began = time.monotonic()
    _summary(check_cluster(path, _tell, manager=manager), began)


def _summary(host: str, began: float) -> None:
    print_text(f"{host} is sane, in {time.monotonic() - began:.1f} s; nothing is left of it.")


def _tell(step: str, seconds: float) -> None:
    print_text(f"✔ {step:<34} {seconds:6.1f} s")
