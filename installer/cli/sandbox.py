"""The commands `cfy_manager sandbox …`."""

import os
import re
from pathlib import Path

import click

from installer.sandbox import enter, lifecycle, record
from installer.sandbox.derive import derive_inventory
from installer.sandbox.disk import DEFAULT_SIZE_GB
from installer.sandbox.image import SUITES
from installer.sandbox.inventory import plan_of_inventory
from installer.sandbox.plan import numbered_nodes, plan_hosts

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def _checked_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            "use up to 32 lower-case letters, digits and '-'", param_hint="NAME"
        )
    return name


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def sandbox() -> None:
    """Real Debian hosts on this machine, to try and test."""


@sandbox.command()
@click.option("--name", default="sandbox", show_default=True, callback=_checked_name)
@click.option("--hosts", type=int, help="Make host-1 … host-N.")
@click.option(
    "-i",
    "--inventory",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Make one host for each node of this inventory.",
)
@click.option("--suite", type=click.Choice(SUITES), default=SUITES[0], show_default=True)
@click.option("--disk-gb", type=click.IntRange(1, 512), default=DEFAULT_SIZE_GB, show_default=True)
def up(name: str, hosts: int | None, inventory: Path | None, suite: str, disk_gb: int) -> None:
    """Boot hosts and wait until they answer SSH.

    \b
    cfy_manager sandbox up --name demo --hosts 3
    cfy_manager sandbox up --name demo -i inventories/three-nodes.yaml
    """
    if (hosts is None) == (inventory is None):
        raise click.UsageError("give either --hosts N or --inventory FILE")
    plan = (
        plan_hosts(numbered_nodes(name, hosts or 0))
        if inventory is None
        else plan_of_inventory(inventory)
    )
    made = lifecycle.up(lifecycle.Wanted(name=name, plan=plan, suite=suite, disk_gb=disk_gb))
    for host in made.plan.hosts:
        click.echo(f"{host.name:<20} {host.address}")
    config = lifecycle.ssh_dir(name) / "config"
    click.echo(f"\nNext: cfy_manager sandbox exec {name} -- ssh -F {config} {plan.hosts[0].name}")


@sandbox.command()
@click.argument("name", callback=_checked_name)
@click.option(
    "-i",
    "--inventory",
    "source",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The inventory that the sandbox was booted from.",
)
@click.option("--bundle", type=click.Path(path_type=Path, exists=True, file_okay=False))
def inventory(name: str, source: Path, bundle: Path | None) -> None:
    """Write the inventory by which `cluster install` reaches this sandbox; print its path.

    \b
    cfy_manager sandbox inventory demo -i inventories/three-nodes.yaml --bundle dist/bundle
    """
    click.echo(derive_inventory(name, source, bundle))


@sandbox.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", callback=_checked_name)
@click.option("--host", help="Run on this host, as its root, instead of beside the hosts.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec(name: str, host: str | None, command: tuple[str, ...]) -> None:
    """Run a command in the sandbox's network, or on one of its hosts.

    \b
    cfy_manager sandbox exec demo -- curl -sk https://10.0.0.11:8008/
    cfy_manager sandbox exec demo --host db-1 -- systemctl status patroni
    """
    argv = (
        enter.command_in(name, command) if host is None else enter.command_on(name, host, command)
    )
    os.execvp(argv[0], argv)  # noqa: S606 - the command takes this process: terminal, exit code


@sandbox.command()
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--all", "everything", is_flag=True, help="Take down every sandbox.")
def down(names: tuple[str, ...], everything: bool) -> None:
    """Take sandboxes away and leave nothing of them.

    \b
    cfy_manager sandbox down demo
    """
    if everything == bool(names):
        raise click.UsageError("give the names of sandboxes, or --all")
    for name in record.recorded_names() if everything else names:
        lifecycle.down(name)
