"""`cfy_manager status-reporter`: the service that tells the managers how this node is."""

import json
import sys
from pathlib import Path

import click
import yaml

from installer.actions.reporter import (
    Wanted,
    configure_reporter,
    control_reporter,
    remove_reporter,
    reporter_tokens,
    show_reporter,
)
from installer.report import print_rows, print_text
from installer.secrets import Secret

_JSON = click.option("--json", "as_json", is_flag=True, help="As a JSON object.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def status_reporter() -> None:
    """Tell the managers how this node is."""


@status_reporter.command("get-tokens")
@_JSON
def get_tokens(*, as_json: bool) -> None:
    """Print the tokens of the three kinds of reporters; on a manager.

    Example: cfy_manager status-reporter get-tokens
    """
    tokens = reporter_tokens()
    if as_json:
        print_text(json.dumps(dict(tokens)))
    else:
        print_rows(("user", "token"), list(tokens.items()))


@status_reporter.command()
@click.option("--token", help="This node's token; `-` reads it from standard input.")
@click.option("--ca-path", type=click.Path(exists=True, path_type=Path), help="The managers' CA.")
@click.option("--managers-ip", multiple=True, help="Address of a manager; repeat, or use commas.")
@click.option("--reporting-freq", type=click.IntRange(1, 300), help="Seconds between reports.")
def configure(
    token: str | None,
    ca_path: Path | None,
    managers_ip: tuple[str, ...],
    reporting_freq: int | None,
) -> None:
    """Set the reporter of this node up and start it.

    Example: cfy_manager status-reporter configure --token - --managers-ip 10.0.0.31
    """
    if token == "-":  # noqa: S105 - the word for standard input
        token = sys.stdin.readline().strip()
    addresses = tuple(ip.strip() for word in managers_ip for ip in word.split(",") if ip.strip())
    wanted = Wanted(
        token=Secret(token) if token else None,
        ca_path=ca_path,
        managers_ip=addresses,
        reporting_freq=reporting_freq,
    )
    settings = configure_reporter(wanted)
    managers = ", ".join(settings.managers_ips)
    print_text(f"The status reporter reports every {settings.reporting_freq} s to {managers}.")
    print_text("Next: `cfy cluster status`")


@status_reporter.command("show-configuration")
@_JSON
def show_configuration(*, as_json: bool) -> None:
    """Print the reporter's configuration, its tokens masked."""
    document = show_reporter()
    print_text(json.dumps(document) if as_json else yaml.safe_dump(document, sort_keys=False))


@status_reporter.command()
def start() -> None:
    """Start the reporter's service."""
    control_reporter("start")


@status_reporter.command()
def stop() -> None:
    """Stop the reporter's service."""
    control_reporter("stop")


@status_reporter.command()
def remove() -> None:
    """Take the reporter away from this node.

    Example: cfy_manager status-reporter remove
    """
    print_text("\n".join(remove_reporter()))
