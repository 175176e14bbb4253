"""`cfy_manager validate`: every problem of config.yaml or of an inventory at once."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from installer.config.check import DEFAULT_CONFIG, check_config
from installer.config.model import Document
from installer.errors import ConfigError, Problem, Severity


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
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, a summary last.")
def validate(
    config_files: tuple[Path, ...],
    inventory_file: Path | None,
    *,
    strict: bool,
    as_json: bool,
    **addresses: str | None,
) -> int | None:
    """Check config.yaml or an inventory; change nothing, connect to nothing.

    All problems are shown at once with file, line and key. Errors end with exit code 3. Warnings
    do not: each may be accepted by writing its code, which stands in brackets, into `waive`.

    Example: cfy_manager validate -i inventories/ten-nodes.yaml --strict
    """
    if inventory_file and (config_files or any(addresses.values())):
        raise click.UsageError("give either an inventory or config files of one node")
    given = {key: address for key, address in addresses.items() if address}
    overrides: Document = {"manager": given} if given else {}

    def check() -> tuple[str, Sequence[Problem]]:
        if inventory_file:
            return _check_inventory(inventory_file)
        return _check_config(config_files or (DEFAULT_CONFIG,), overrides)

    if as_json:
        return _print_json(check, strict=strict)
    praise, warnings = check()
    if strict and warnings:
        raise ConfigError(*_as_errors(warnings))
    for warning in warnings:
        click.echo(str(warning), err=True)
    click.echo(praise)
    return None


def _check_config(files: Sequence[Path], overrides: Document) -> tuple[str, Sequence[Problem]]:
    checked = check_config(files, overrides)
    services = ", ".join(checked.config["services_to_install"])
    valid = _valid(checked.warnings)
    return f"The configuration is {valid}. This node's services: {services}.", checked.warnings


def _check_inventory(path: Path) -> tuple[str, Sequence[Problem]]:
    # a node's config.yaml needs none of these
    from installer.expand.check import load_cluster
    from installer.inventory import Role

    inventory = load_cluster(path)
    counts = ", ".join(
        f"{len(nodes)} {role}" for role in Role if (nodes := inventory.with_role(role))
    )
    valid = _valid(inventory.warnings)
    return f"The inventory is {valid}. Cluster {inventory.name}: {counts}.", inventory.warnings


def _valid(warnings: Sequence[Problem]) -> str:
    count = len(warnings)
    return f"valid, with {count} warning{'s' * (count > 1)}" if count else "valid"


def _as_errors(warnings: Sequence[Problem]) -> list[Problem]:
    return [replace(warning, severity=Severity.ERROR) for warning in warnings]


def _print_json(check: Callable[[], tuple[str, Sequence[Problem]]], *, strict: bool) -> int:
    """Print each problem and a summary as JSON objects, and return the exit code."""
    code = 0
    problems: Sequence[Problem]
    try:
        _, problems = check()
        if strict and problems:
            raise ConfigError(*_as_errors(problems))
    except ConfigError as error:
        problems, code = error.problems, error.exit_code
    for problem in problems:
        click.echo(json.dumps({"kind": "problem", **problem.as_json()}))
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    counts = {"errors": errors, "warnings": len(problems) - errors}
    click.echo(json.dumps({"kind": "summary", "valid": not code, **counts}))
    return code
