"""The commands `cfy_manager sandbox …`."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import click

from installer.errors import PreflightError
from installer.sandbox import capabilities, enter, faults, lifecycle, record, status
from installer.sandbox.derive import derive_inventory
from installer.sandbox.disk import DEFAULT_SIZE_GB
from installer.sandbox.image import SUITES, image_path
from installer.sandbox.inventory import plan_of_inventory
from installer.sandbox.plan import numbered_nodes, plan_hosts
from installer.sandbox.record import FaultKind

_CLOCK = "clock"  # offered so that asking for it tells why it cannot be
_KINDS = [*(kind.value for kind in FaultKind), _CLOCK]
_WORDS_AFTER_NAME = {FaultKind.CUT_PAIR: "HOST HOST", FaultKind.FREEZE: "HOST PROCESS"}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def _checked_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            "use up to 32 lower-case letters, digits and '-'", param_hint="NAME"
        )
    return name


def _wish(kind: FaultKind, words: tuple[str, ...], details: dict[str, int | None]) -> faults.Wish:
    """Return the fault that the words after its kind ask for."""
    expected = _WORDS_AFTER_NAME.get(kind, "HOST")
    if len(words) != len(expected.split()):
        raise click.UsageError(f"{kind} wants: {expected}")
    if kind is FaultKind.CUT_PAIR and words[0] == words[1]:
        raise click.UsageError("cut-pair wants two different hosts")
    if kind is FaultKind.FREEZE:
        return faults.Wish(kind=kind, hosts=words[:1], detail=words[1])
    if kind is FaultKind.FILL_DISK:
        return faults.Wish(kind=kind, hosts=words, detail=str(details["free_mb"]))
    if kind is FaultKind.SLOW:
        if details["rate_kbit"] is None and details["delay_ms"] is None:
            raise click.UsageError("slow wants --rate-kbit or --delay-ms")
        discipline = faults.slow_link(details["rate_kbit"], details["delay_ms"])
        return faults.Wish(kind=kind, hosts=words, detail=discipline)
    return faults.Wish(kind=kind, hosts=words)


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
    if not image_path(suite).is_dir():
        click.echo(f"Building the image of Debian {suite}, once; it takes a minute or two.")
    made = lifecycle.up(lifecycle.Wanted(name=name, plan=plan, suite=suite, disk_gb=disk_gb))
    for host in made.plan.hosts:
        click.echo(f"{host.name:<20} {host.address}")
    config = record.ssh_dir(name) / "config"
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


@sandbox.command("status")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show_status(names: tuple[str, ...], as_json: bool) -> None:
    """Tell each host's address, state, process and faults; of all sandboxes by default.

    \b
    cfy_manager sandbox status demo
    """
    made = [record.load(name) for name in names or record.recorded_names(whole=True)]
    if as_json:
        click.echo(json.dumps([status.as_document(each) for each in made], indent=1))
        return
    for each in made:
        click.echo(f"sandbox {each.name} ({each.suite})\n{status.as_table(each)}\n")


@sandbox.command()
@click.argument("name", callback=_checked_name)
@click.argument("kind", type=click.Choice(_KINDS), metavar="KIND")
@click.argument("words", nargs=-1, required=True, metavar="HOST [HOST|PROCESS]")
@click.option("--for", "for_s", type=click.FloatRange(min=0.1), help="Heal after these seconds.")
@click.option("--free-mb", type=click.IntRange(min=0), default=0, help="fill-disk: leave this.")
@click.option("--rate-kbit", type=click.IntRange(min=8), help="slow: kilobits per second.")
@click.option("--delay-ms", type=click.IntRange(min=1), help="slow: for each packet and direction.")
def fail(
    name: str, kind: str, words: tuple[str, ...], for_s: float | None, **details: int | None
) -> None:
    """Break something, until it is healed.

    \b
    cfy_manager sandbox fail demo power-off db-1        no more power, no good-bye
    cfy_manager sandbox fail demo stop db-1             a clean shutdown
    cfy_manager sandbox fail demo cut db-1 --for 30     no network for 30 seconds
    cfy_manager sandbox fail demo cut-pair db-1 db-2    these two do not hear each other
    cfy_manager sandbox fail demo freeze db-1 patroni.service
    cfy_manager sandbox fail demo fill-disk db-1 --free-mb 10
    cfy_manager sandbox fail demo slow db-1 --rate-kbit 512
    """
    if kind == _CLOCK:
        raise PreflightError(capabilities.clock_problem())
    wish = replace(_wish(FaultKind(kind), words, details), heal_after_s=for_s)
    click.echo(status.describe(faults.fail(name, wish)))


@sandbox.command()
@click.argument("name", callback=_checked_name)
@click.argument("host", required=False)
@click.option("--all", "everything", is_flag=True, help="Heal every host.")
def heal(name: str, host: str | None, everything: bool) -> None:
    """End the faults of a host, and boot it if it is off.

    \b
    cfy_manager sandbox heal demo db-1
    cfy_manager sandbox heal demo --all
    """
    if everything == (host is not None):
        raise click.UsageError("give either a host or --all")
    for fault in faults.heal(name, host):
        click.echo(f"healed: {status.describe(fault)}")


@sandbox.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Tell what this machine lacks for a sandbox; exit code 4 if it lacks anything."""
    for problem in capabilities.unavailable_faults():
        click.echo(f"not possible here: {problem}", err=True)
    missing = capabilities.missing_capabilities()
    for problem in missing:
        click.echo(str(problem))
    if missing:
        context.exit(PreflightError.exit_code)
    click.echo("This machine can host the sandbox.")
