"""`cfy_manager cluster backup timer`: let this machine complete the database's own backups."""

from pathlib import Path

import click

from installer.actions.backup import complete_backup
from installer.actions.backup_timer import HOUR_LATER, disable_timer, enable_timer
from installer.actions.timers import Systemd
from installer.cli.options import INVENTORY
from installer.cli.timers import tell_where
from installer.report import print_text, report_for


@click.group()
def timer() -> None:
    """Keep what the primary cannot: the keys, the broker's definitions and the managers' files.

    The primary backs the database up by itself. This timer belongs on the machine that holds the
    inventory, and comes after that: it adds the parts to the newest backup, or takes a whole one
    where none was taken for a day.

    \b
    cfy_manager cluster backup timer enable -i ten-nodes.yaml
    """


@timer.command()
@INVENTORY
@click.option(
    "--at",
    "when",
    default=HOUR_LATER,
    show_default=True,
    help="When, as systemd.time(7) writes it; after backup.schedule.",
)
def enable(path: Path, *, when: str) -> None:
    """Let systemd do it every day: root's on the whole machine, anybody else's for that user.

    Example: cfy_manager cluster backup timer enable -i ten-nodes.yaml --at "*-*-* 04:00:00 UTC"
    """
    systemd = Systemd.here()
    name = enable_timer(path, when, systemd)
    print_text(f"{name} completes the newest backup at {when}.")
    tell_where(name, systemd)


@timer.command()
@INVENTORY
def disable(path: Path) -> None:
    """Take the timer away.

    Example: cfy_manager cluster backup timer disable -i ten-nodes.yaml
    """
    print_text(f"{disable_timer(path, Systemd.here())} is gone.")


@timer.command()
@INVENTORY
def run(path: Path) -> None:
    """Complete the newest backup now, as the timer does.

    Example: cfy_manager cluster backup timer run -i ten-nodes.yaml
    """
    taken = complete_backup(path, report_for(as_json=False))
    held = ", ".join(part.name for part in taken.parts)
    print_text(f"Done: {taken.label} holds the database, {held}.")
