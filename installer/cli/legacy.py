"""`cfy_manager import`: an original Cloudify configuration becomes one of ours."""

import json
from pathlib import Path

import click

from installer.config.check import check_config
from installer.config.source import path_text
from installer.errors import ConfigError, Problem
from installer.expand.check import load_cluster
from installer.legacy.importer import Imported, import_files
from installer.legacy.remarks import Remark


@click.command("import", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("old", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "new",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write; an existing one is kept, and NAME.new written instead.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, a summary last.")
def import_command(old: tuple[Path, ...], new: Path, *, as_json: bool) -> int:
    """Turn a config.yaml or a cluster file of Cloudify 5 to 7 into one of ours.

    Several OLD files are merged left to right. What is unsafe or dead is told with its reason
    and what is there instead. Secrets go to a file of their own beside the new one, which only
    you can read; passwords that others know are replaced.

    Exit code 3: the files are written, but something is left to do before they are valid.

    Example: cfy_manager import /etc/cloudify/config.yaml -o config.yaml
    """
    imported = import_files(old, new)
    left = _left_to_do(imported)
    if as_json:
        _print_json(imported, left)
    else:
        _print_text(imported, left)
    return ConfigError.exit_code if left else 0


def _left_to_do(imported: Imported) -> tuple[Problem, ...]:
    """Return what `validate` says of the new files."""
    try:
        if imported.is_cluster:
            load_cluster(imported.path)
        else:
            check_config(_config_files(imported), {})
    except ConfigError as error:
        return error.problems
    return ()


def _config_files(imported: Imported) -> list[Path]:
    return [imported.path, *([imported.secrets_path] if imported.secrets_path else [])]


def _validate_command(imported: Imported) -> str:
    if imported.is_cluster:
        return f"cfy_manager validate -i {imported.path}"
    return " ".join(["cfy_manager validate", *(f"-c {path}" for path in _config_files(imported))])


def _print_text(imported: Imported, left: tuple[Problem, ...]) -> None:
    for found in imported.remarks:
        click.echo(_line(imported, found))
    if imported.remarks:
        click.echo("")
    secrets = f", and the secrets to {imported.secrets_path}" if imported.secrets_path else ""
    click.echo(f"Wrote {imported.path}{secrets}.")
    for problem in left:
        click.echo(f"Left to do: {problem}")
    click.echo(f"Next: {_validate_command(imported)}")


def _line(imported: Imported, found: Remark) -> str:
    position = imported.old.position(found.path)
    place = f"{position.file}:{position.line}: " if position else ""
    return f"{found.kind:<8} {place}{path_text(found.path)}: {found.why}\n    → {found.instead}"


def _print_json(imported: Imported, left: tuple[Problem, ...]) -> None:
    for found in imported.remarks:
        click.echo(json.dumps({"kind": "remark", "remark": found.as_json(imported.old)}))
    for problem in left:
        click.echo(json.dumps({"kind": "problem", **problem.as_json()}))
    summary = {
        "kind": "summary",
        "valid": not left,
        "file": str(imported.path),
        "secrets": str(imported.secrets_path) if imported.secrets_path else None,
        "next": _validate_command(imported),
    }
    click.echo(json.dumps(summary))
