"""`cfy_manager cluster backup` and `restore`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from installer.actions.backup import Verified, list_backups, take_backup, verify_backup
from installer.actions.restore import restore_cluster
from installer.actions.restore_target import RestoreRequest
from installer.backup.backup_set import BackupSet, BackupType
from installer.cli.backup_timer import timer
from installer.cli.confirm import demand_name
from installer.cli.options import INVENTORY, JSON
from installer.inventory import load_inventory
from installer.report import print_lines, print_text, report_for
from installer.status.words import bytes_words, seconds_words

_HEADINGS = ("label", "type", "finished (UTC)", "size", "stored", "rows", "verified", "parts")
_TIME = "%Y-%m-%d %H:%M:%S"


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-i",
    "--inventory",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The cluster file: nodes, roles, addresses.",
)
@click.option(
    "--type",
    "kind",
    type=click.Choice([kind.value for kind in BackupType]),
    default=BackupType.FULL.value,
    show_default=True,
    help="All of the database, or what changed since the last full one, or since the last one.",
)
@JSON
@click.pass_context
def backup(ctx: click.Context, path: Path | None, kind: str, *, as_json: bool) -> None:
    """Back the cluster up into the repository that the inventory describes.

    Nothing pauses. The first backup is a full one, whatever was asked. The rows of every table are
    counted at the backup's end, so that `verify` can compare them.

    \b
    cfy_manager cluster backup -i ten-nodes.yaml
    cfy_manager cluster backup -i ten-nodes.yaml --type diff
    cfy_manager cluster backup list -i ten-nodes.yaml
    cfy_manager cluster backup verify -i ten-nodes.yaml
    """
    if ctx.invoked_subcommand is not None:
        return
    if path is None:
        raise click.UsageError("say which cluster: -i INVENTORY", ctx)
    taken = take_backup(path, BackupType(kind), report_for(as_json=as_json))
    if as_json:
        print_text(json.dumps({"kind": "summary", **_as_json(taken, None)}))
        return
    asked = "" if taken.type == kind else f" (there was none for a {kind} one to build on)"
    size = f"{bytes_words(taken.size_bytes)}, {bytes_words(taken.stored_bytes)} in the repository"
    print_text(
        f"Done: {taken.type} backup {taken.label}{asked}, {size}, {_rows(taken)} rows counted.\n"
        f"Next: cfy_manager cluster backup verify -i {path}"
    )


@backup.command("list")
@INVENTORY
@JSON
def list_(path: Path, *, as_json: bool) -> None:
    """Tell which backups the repository holds, and which were proven.

    Example: cfy_manager cluster backup list -i ten-nodes.yaml
    """
    sets, verified = list_backups(path)
    if as_json:
        for one in sets:
            print_text(json.dumps(_as_json(one, verified.get(one.label))))
        return
    if not sets:
        print_text(f"No backup yet.\nNext: cfy_manager cluster backup -i {path}")
        return
    print_lines(_HEADINGS, [_row(one, verified) for one in sets])


@backup.command()
@INVENTORY
@click.option("--backup", "label", help="Which one; a label of `list`.  [default: the newest]")
@click.option("--node", help="The database node with room for it.  [default: a replica]")
@JSON
def verify(path: Path, label: str | None, node: str | None, *, as_json: bool) -> None:
    """Prove that a backup can be restored: into a scratch folder, started on a socket, compared.

    The cluster goes on meanwhile, and nothing of it changes. The time that it took is kept and
    shown by `list`: that is how long a restore of the database takes.

    Example: cfy_manager cluster backup verify -i ten-nodes.yaml
    """
    proof = verify_backup(path, label, node, report_for(as_json=as_json))
    if as_json:
        print_text(json.dumps({"kind": "summary", **asdict(proof)}))
        return
    print_text(
        f"Done: {proof.label} was restored on {proof.node} in {seconds_words(proof.seconds)} "
        f"({seconds_words(proof.files_s)} for its files): {proof.rows} rows in {proof.tables} "
        "tables, as they were counted."
    )


backup.add_command(timer)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@INVENTORY
@click.option("--backup", "label", help="To this backup; a label of `cluster backup list`.")
@click.option(
    "--target-time",
    "moment",
    help="To this moment, in ISO 8601: 2026-11-21T18:30:00+01:00; without an offset it is UTC.",
)
@click.option("--yes", is_flag=True, help="Do not ask for the cluster's name.")
@JSON
def restore(path: Path, label: str | None, moment: str | None, *, yes: bool, as_json: bool) -> None:
    """Bring the cluster back to a backup or a moment; without either, to all that is archived.

    The database is restored beside the present one, which goes on until the other has reached its
    target. Then the managers stop, the databases are exchanged, replicas are copied anew, and the
    managers start. The former data stays on its node until you remove it. On a cluster that was
    installed anew from the same inventory and secrets it brings everything back.

    \b
    cfy_manager cluster restore -i ten-nodes.yaml --target-time 2026-11-21T18:30:00Z
    cfy_manager cluster restore -i ten-nodes.yaml --backup 20261121-020005F
    """
    if label and moment:
        raise click.UsageError("--backup and --target-time exclude each other")
    request = RestoreRequest(label=label, moment=_moment(moment))
    if not yes:
        lost = f"What was written after {request.words} is taken back; nobody can write meanwhile."
        demand_name("cluster restore", lost, load_inventory(path).name)
    done = restore_cluster(path, request, report_for(as_json=as_json))
    if as_json:
        facts = {"backup": done.label, "node": done.node, "kept": done.kept}
        print_text(json.dumps({"kind": "summary", **facts}))
        return
    print_text(
        f"Done: the cluster is at {request.words}.\n"
        f"Kept  the database as it was before, in {done.kept} on {done.node}: remove it when you "
        f"no longer need it.\nNext  cfy_manager cluster status -i {path}; then "
        f"cfy_manager cluster backup -i {path}"
    )


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"--target-time: {text} is no ISO 8601 moment") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _rows(one: BackupSet) -> int:
    return sum(one.rows.values())


def _row(one: BackupSet, verified: Mapping[str, Verified]) -> tuple[str, ...]:
    proof = verified.get(one.label)
    return (
        one.label,
        str(one.type),
        f"{one.finished:{_TIME}}",
        bytes_words(one.size_bytes),
        bytes_words(one.stored_bytes),
        str(_rows(one)) if one.is_whole else "not counted",
        f"{proof.at[:10]}, {seconds_words(proof.seconds)}" if proof else "no",
        ", ".join(["database", *(part.name for part in one.parts)]),
    )


def _as_json(one: BackupSet, proof: Verified | None) -> dict[str, Any]:
    return {
        "label": one.label,
        "type": str(one.type),
        "began": one.began.isoformat(),
        "finished": one.finished.isoformat(),
        "size_bytes": one.size_bytes,
        "stored_bytes": one.stored_bytes,
        "is_whole": one.is_whole,
        "rows": dict(one.rows),
        "parts": [part.name for part in one.parts],
        "versions": dict(one.versions),
        "verified": asdict(proof) if proof else None,
    }
