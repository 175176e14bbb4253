"""`cfy_manager cluster sanity-check`: a blueprint's whole way through the cluster."""

import time
from pathlib import Path

import click

from installer.actions.sanity import check_cluster
from installer.cli.options import INVENTORY
from installer.report import print_text


@click.command("sanity-check", context_settings={"help_option_names": ["-h", "--help"]})
@INVENTORY
@click.option("--manager", help="Try this manager, not the clients' address.")
def sanity_check(path: Path, manager: str | None) -> None:
    """Upload a small blueprint, install it, read what it says, and take all of it away.

    It shows what no status can: that database, broker, workers and files work together. Exit
    code 7 when a step fails; what was made is deleted all the same.

    \b
    cfy_manager cluster sanity-check -i ten-nodes.yaml
    cfy_manager cluster sanity-check -i ten-nodes.yaml --manager manager-2
    """
    began = time.monotonic()
    host = check_cluster(path, _tell, manager=manager)
    print_text(f"{host} is sane, in {time.monotonic() - began:.1f} s; nothing is left of it.")


def _tell(step: str, seconds: float) -> None:
    print_text(f"✔ {step:<34} {seconds:6.1f} s")
