"""Commands that make the offline bundle, and prove that one is whole."""

import shutil
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from installer.bundle.build import BuildOptions, build_bundle, find_bundle, refresh_lock
from installer.bundle.catalogue import RELEASES, ROLES
from installer.bundle.model import Bundle, load_bundle
from installer.bundle.verify import Check, verify_bundle
from installer.errors import ConfigError, PreflightError, Problem

_RELEASE = click.option(
    "--release",
    type=click.Choice(list(RELEASES)),
    default="trixie",
    show_default=True,
    help="The Debian release of the nodes.",
)
_WHEELS_ONLY = click.option(
    "--wheels-only",
    is_flag=True,
    help="Leave the Debian packages out, for nodes that reach their own package sources.",
)
_POSTGRESQL = click.option(
    "--postgresql",
    type=int,
    multiple=True,
    metavar="MAJOR",
    help="A major version beside the release's own, such as 15 on the way from it; repeatable.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def bundle() -> None:
    """Build and verify the offline bundle: all that nodes install, in one directory."""


@bundle.command()
@_RELEASE
@_WHEELS_ONLY
@_POSTGRESQL
def lock(release: str, wheels_only: bool, postgresql: tuple[int, ...]) -> None:
    """Choose the versions of all packages and wheels anew, as their sources stand now.

    Security updates come into a bundle this way: `cfy_manager bundle lock`, then `build`.
    """
    options = BuildOptions(with_packages=not wheels_only, postgresql=postgresql, say=_say)
    found = refresh_lock(release, options)
    click.echo(f"{len(found.packages)} packages and {len(found.wheels)} wheels are locked.")
    click.echo(f"Next: cfy_manager bundle build --release {release}")


@bundle.command()
@_RELEASE
@_WHEELS_ONLY
@_POSTGRESQL
@click.option(
    "--lock",
    "lock_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A lock file kept elsewhere, such as another bundle's lock.json.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Copy the bundle into this new directory, to carry it away.",
)
def build(
    release: str,
    wheels_only: bool,
    postgresql: tuple[int, ...],
    lock_file: Path | None,
    output: Path | None,
) -> None:
    """Build the bundle and print its directory; at once when nothing changed.

    Example: cfy_manager bundle build --release bookworm --output /media/usb/bundle
    """
    options = BuildOptions(
        with_packages=not wheels_only, postgresql=postgresql, lock_file=lock_file, say=_say
    )
    built = build_bundle(release, options)
    if output is not None:
        _copy(built, output)
    _print_sizes(built)
    click.echo(str(output or built.path))


@bundle.command()
@_RELEASE
@_WHEELS_ONLY
@_POSTGRESQL
def path(release: str, wheels_only: bool, postgresql: tuple[int, ...]) -> None:
    """Print the directory of the bundle that was built last, and build nothing."""
    options = BuildOptions(with_packages=not wheels_only, postgresql=postgresql)
    click.echo(str(find_bundle(release, options).path))


@bundle.command()
@click.argument("path", type=click.Path(path_type=Path))
def verify(path: Path) -> None:
    """Check each file's SHA-256, each role's packages and each environment's wheels.

    Example: cfy_manager bundle verify /media/usb/bundle
    """
    checks = []
    for check in verify_bundle(load_bundle(path.resolve())):
        checks.append(check)
        _say(f"{'failed' if check.problems else 'ok'}  {check.name}")
    _print_checks(checks)
    problems = [problem for check in checks for problem in check.problems]
    if problems:
        raise PreflightError(*problems)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _copy(built: Bundle, output: Path) -> None:
    """Copy next to the place, then rename: a copy that was cut off is no bundle."""
    if output.exists():
        raise ConfigError(
            Problem(
                where=str(output),
                what="there is something at this place already",
                remedy="name a directory that does not exist yet",
            )
        )
    arriving = output.with_name(f".{output.name}.arriving")
    shutil.rmtree(arriving, ignore_errors=True)
    shutil.copytree(built.path, arriving)
    arriving.rename(output)


def _print_sizes(built: Bundle) -> None:
    table = Table("role", "files", "MB", box=None, pad_edge=False)
    for role in ROLES:
        size = built.size_for([role]) / 1e6
        table.add_row(role, str(len(built.files_for([role]))), f"{size:.0f}")
    Console(file=sys.stderr).print(table)


def _print_checks(checks: list[Check]) -> None:
    table = Table("check", "result", "detail", box=None, pad_edge=False)
    for check in checks:
        result, style = ("failed", "bold red") if check.problems else ("ok", "green")
        table.add_row(check.name, f"[{style}]{result}[/]", check.detail)
    Console().print(table)
