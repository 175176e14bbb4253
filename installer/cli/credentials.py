"""The commands that change what a cluster's people and managers unlock things with."""

import json
import sys
from pathlib import Path

import click

from installer.actions.encryption_key import KeyChanged
from installer.actions.managers import change_cluster_key, reset_cluster_password
from installer.actions.node_managers import change_node_key, reset_node_password
from installer.actions.passwords import AdminPassword
from installer.cli.options import INVENTORY, JSON
from installer.errors import NodeUnreachable
from installer.report import print_text, report_for
from installer.secrets import Secret, generate_password

_HELP = {"help_option_names": ["-h", "--help"]}
_GENERATE = click.option("--generate", is_flag=True, help="Make a random password.")
_STDIN = click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read it from standard input, one line."
)


@click.command("reset-admin-password", context_settings=_HELP)
@_GENERATE
@_STDIN
def reset_password(*, generate: bool, from_stdin: bool) -> None:
    """Give the administrator another password and unlock the account; on any manager.

    It is asked for, read from standard input, or made: never taken from a command line.
    Tokens and what runs go on.

    \b
    cfy_manager reset-admin-password
    cfy_manager reset-admin-password --password-stdin < new-password
    """
    password = _password(generate=generate, from_stdin=from_stdin)
    told = reset_node_password(password)
    print_text(_summary(told))
    if told.kept_in is None:
        words = "the secrets file of the controller, or config.yaml, holds the old one"
        print_text(f"Mind   {words}: write the new one there as `admin_password`.")
        if generate:
            print_text(f"It is  {password.reveal()}")


@click.command("reset-admin-password", context_settings=_HELP)
@INVENTORY
@_GENERATE
@_STDIN
def reset_password_of_cluster(path: Path, *, generate: bool, from_stdin: bool) -> None:
    """Give the cluster's administrator another password and unlock the account.

    The secrets file holds it then. It is asked for, read from standard input, or made: never
    taken from a command line. Tokens and what runs go on. One manager is enough; those that do
    not answer are told at the end, with exit code 5.

    \b
    cfy_manager cluster reset-admin-password -i ten-nodes.yaml
    cfy_manager cluster reset-admin-password -i ten-nodes.yaml --generate
    """
    password = _password(generate=generate, from_stdin=from_stdin)
    told = reset_cluster_password(path, password, report_for(as_json=False))
    print_text(_summary(told))
    if told.problems:
        raise NodeUnreachable(*told.problems)


@click.command("update-encryption-key", context_settings=_HELP)
@INVENTORY
@JSON
def update_key_of_cluster(path: Path, *, as_json: bool) -> None:
    """Seal the stored secrets with a new key, one manager's restart after the other.

    Secrets can be read all the while. Interrupted, run it again: it goes on where it was.

    Example: cfy_manager cluster update-encryption-key -i ten-nodes.yaml
    """
    _tell_key(change_cluster_key(path, report_for(as_json=as_json)), as_json=as_json)


@click.command("update-encryption-key", context_settings=_HELP)
@JSON
def update_key(*, as_json: bool) -> None:
    """Seal the stored secrets of this node's manager with a new key.

    For a manager that was installed alone; managers of a cluster share their key, which
    `cluster update-encryption-key` changes. Interrupted, run it again: it goes on where it was.

    Example: cfy_manager update-encryption-key
    """
    _tell_key(change_node_key(report_for(as_json=as_json)), as_json=as_json)


def _tell_key(changed: KeyChanged, *, as_json: bool) -> None:
    if as_json:
        facts = {"values": changed.values, "was_resumed": changed.was_resumed}
        print_text(json.dumps({"kind": "summary", **facts}))
        return
    began = "The change that was begun is finished" if changed.was_resumed else "The key is changed"
    print_text(f"{began}: {changed.values} values were sealed anew; the old key opens nothing.")


def _password(*, generate: bool, from_stdin: bool) -> Secret:
    if generate and from_stdin:
        raise click.UsageError("--generate and --password-stdin exclude each other")
    if generate:
        return generate_password()
    if from_stdin:
        return Secret(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: use --password-stdin or --generate")
    return Secret(click.prompt("New password", hide_input=True, confirmation_prompt=True))


def _summary(told: AdminPassword) -> str:
    kept = f"\nSecrets  {told.kept_in}: admin_password" if told.kept_in else ""
    return f"Done: {told.said}.{kept}\nNext     cfy profiles set -u admin -p PASSWORD"
