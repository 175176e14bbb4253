"""The systemd timer of this machine that gives the database's nightly backups their parts."""

from pathlib import Path

from installer.actions.backup_nodes import demand_repository
from installer.actions.timers import Systemd, Timer, remove_timer
from installer.expand.check import load_cluster
from installer.inventory import Inventory

HOUR_LATER = "*-*-* 03:00:00 UTC"  # than the default of backup.schedule


def enable_timer(path: Path, when: str, systemd: Systemd) -> str:
    """Let systemd complete the newest backup when it is time; return the timer's name."""
    inventory = load_cluster(path)
    demand_repository(inventory)
    timer = Timer(
        name=_name(inventory),
        templates="backup",
        cluster=inventory.name,
        words=("cluster", "backup", "timer", "run", "-i", str(path.resolve())),
        when=when,
    )
    return timer.enable(systemd)


def disable_timer(path: Path, systemd: Systemd) -> str:
    """Take a cluster's timer away; return its name. It need not be there."""
    return remove_timer(_name(load_cluster(path)), systemd)


def _name(inventory: Inventory) -> str:
    return f"cfy_manager-backup-{inventory.name}"
