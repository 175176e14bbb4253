"""What a day-two command does with the manager of this node."""

import functools

from installer.actions.installed import STATE, Installed, this_node
from installer.actions.node import LOGS, SECRETS
from installer.actions.on_this_node import on_this_node
from installer.actions.passwords import AdminPassword, demand_good, set_on
from installer.actions.run_log import logged_to
from installer.cluster_secrets import change_secrets, load_secrets
from installer.errors import ConfigError, Problem
from installer.lock import hold_lock
from installer.secrets import Secret

_MANAGER = "manager_service"


def reset_node_password(password: Secret) -> AdminPassword:
    """Give the administrator another password by the manager of this node."""
    installed = _with_manager()
    demand_good(password, hardening=installed.config["hardening"])
    with hold_lock(STATE / "lock", "reset-admin-password"), logged_to(LOGS, "reset-admin-password"):
        said = on_this_node(functools.partial(set_on, password=password))
        is_kept = "admin_password" in load_secrets(SECRETS)
        if is_kept:
            change_secrets(SECRETS, {"admin_password": password})
    return AdminPassword(said=said, kept_in=SECRETS if is_kept else None)


def _with_manager() -> Installed:
    installed = this_node((), STATE, check_files=False)
    if _MANAGER not in installed.services:
        raise ConfigError(
            Problem(
                where="this node",
                what="it runs no manager",
                remedy="run the command on a manager, or `cfy_manager cluster …` on the controller",
            )
        )
    return installed
