"""What both timers of this machine tell once they run."""

from installer.actions.timers import Systemd
from installer.report import print_text


def tell_where(name: str, systemd: Systemd) -> None:
    """Say when a timer runs at all, and where to look at it."""
    if systemd.is_users:
        print_text("It runs while you are logged in; `loginctl enable-linger` lets it run always.")
    print_text(f"Look  {' '.join(systemd.control)} list-timers {name}")
    print_text(f"Log   journalctl {'--user ' * systemd.is_users}-t cfy_manager")
