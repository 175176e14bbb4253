"""`cfy_manager validate`: every problem of config.yaml or of an inventory at once."""

from pathlib import Path

import click

from installer.config.check import DEFAULT_CONFIG, load_config
from installer.config.merge import merged
from installer.config.model import Document


@click.command()
@click.option(
    "-c",
    "--config-file",
    "config_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help=f"config.yaml of this node; several are merged left to right. Default: {DEFAULT_CONFIG}.",
)
@click.option(
    "-i",
    "--inventory",
    "inventory_file",
    type=click.Path(path_type=Path),
    help="Inventory of a whole cluster.",
)
@click.option("--private-ip", help="Stands for manager.private_ip.")
@click.option("--public-ip", help="Stands for manager.public_ip.")
def validate(
    config_files: tuple[Path, ...],
    inventory_file: Path | None,
    private_ip: str | None,
    public_ip: str | None,
) -> None:
    """Check config.yaml or an inventory; change nothing, connect to nothing.

    All problems are shown at once with file, line and key; the exit code is then 3.

    Example: cfy_manager validate -i inventories/ten-nodes.yaml
    """
    if inventory_file and (config_files or private_ip or public_ip):
        raise click.UsageError("give either an inventory or config files of one node")
    if inventory_file:
        _validate_inventory(inventory_file)
        return
    overrides = merged(_override("private_ip", private_ip), _override("public_ip", public_ip))
    config = load_config(config_files or (DEFAULT_CONFIG,), overrides)
    services = ", ".join(config["services_to_install"])
    click.echo(f"The configuration is valid. This node's services: {services}.")


def _override(key: str, value: str | None) -> Document:
    return {"manager": {key: value}} if value else {}


def _validate_inventory(path: Path) -> None:
    # a node's config.yaml needs none of these
    from installer.expand.check import load_cluster
    from installer.inventory import Role

    inventory = load_cluster(path)
    counts = ", ".join(
        f"{len(nodes)} {role}" for role in Role if (nodes := inventory.with_role(role))
    )
    click.echo(f"The inventory is valid. Cluster {inventory.name}: {counts}.")
