"""`cfy_manager certificates timer`: let this machine look after a cluster's certificates."""

import os
from pathlib import Path

import click

from installer.actions.certificate_timer import disable_timer, enable_timer
from installer.actions.certificate_watch import WatchRequest, look_after
from installer.actions.timers import Systemd
from installer.cli.options import INVENTORY
from installer.cli.timers import tell_where
from installer.report import print_text, report_for

_DAYS = click.option(
    "--days",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Warn of what ends within so many days.",
)
_RENEW = click.option(
    "--renew", is_flag=True, help="Renew as well: the CA's key must lie on this machine then."
)


@click.group()
def timer() -> None:
    """Warn of certificates that end soon, every day, and renew them where that is wanted.

    The timer belongs on the machine that holds the inventory. Without --renew it only warns, and
    needs no key. A CA is never replaced without you: its clients must learn of it.

    \b
    cfy_manager certificates timer enable -i ten-nodes.yaml
    cfy_manager certificates timer enable -i ten-nodes.yaml --days 45 --renew
    """


@timer.command()
@INVENTORY
@_DAYS
@_RENEW
def enable(path: Path, *, days: int, renew: bool) -> None:
    """Let systemd look every day: root's on the whole machine, anybody else's for that user.

    Example: cfy_manager certificates timer enable -i ten-nodes.yaml --renew
    """
    systemd = Systemd.here()
    name = enable_timer(path, WatchRequest(days=days, renew=renew), systemd)
    print_text(f"{name} looks every day, and {'renews' if renew else 'warns only'}.")
    tell_where(name, systemd)


@timer.command()
@INVENTORY
def disable(path: Path) -> None:
    """Take the timer away.

    Example: cfy_manager certificates timer disable -i ten-nodes.yaml
    """
    print_text(f"{disable_timer(path, Systemd.here())} is gone.")


@timer.command()
@INVENTORY
@_DAYS
@_RENEW
def run(path: Path, *, days: int, renew: bool) -> int:
    """Look now, as the timer does. Exit code: 0 nothing ends soon, 1 something does.

    Example: cfy_manager certificates timer run -i ten-nodes.yaml --days 45
    """
    left = look_after(path, WatchRequest(days=days, renew=renew), report_for(as_json=False))
    for ending in left:
        print_text(f"{_warning()}{ending}")
    if not left:
        print_text(f"No certificate of {path} ends within {days} days.")
    return 1 if left else 0


def _warning() -> str:
    """Return what marks a warning: the journal's level, or a word for people.

    Source: sd-daemon(3), "SD_WARNING".
    """
    return "<4>" if "JOURNAL_STREAM" in os.environ else "warning: "
