"""The systemd timer of this machine that looks after a cluster's certificates every day."""

from pathlib import Path

from installer.actions.certificate_watch import WatchRequest
from installer.actions.timers import Systemd, Timer, remove_timer
from installer.expand.check import load_cluster
from installer.inventory import Inventory


def enable_timer(path: Path, request: WatchRequest, systemd: Systemd) -> str:
    """Let systemd look after a cluster's certificates every day; return the timer's name."""
    inventory = load_cluster(path)
    options = ("-i", str(path.resolve()), "--days", str(request.days))
    renew = ("--renew",) if request.renew else ()
    timer = Timer(
        name=_name(inventory),
        templates="certificates",
        cluster=inventory.name,
        words=("certificates", "timer", "run", *options, *renew),
    )
    return timer.enable(systemd)


def disable_timer(path: Path, systemd: Systemd) -> str:
    """Take a cluster's timer away; return its name. It need not be there."""
    return remove_timer(_name(load_cluster(path)), systemd)


def _name(inventory: Inventory) -> str:
    return f"cfy_manager-certificates-{inventory.name}"
