"""What a day-two command does with the manager of this node."""

import functools
from dataclasses import replace

from installer.actions.encryption_key import (
    KeyChanged,
    KeyHolders,
    change_encryption_key,
    reseal_on,
)
from installer.actions.install import journaled
from installer.actions.installed import STATE, Installed, this_node
from installer.actions.node import LOGS, SECRETS, local_job
from installer.actions.node_mark import hold_node
from installer.actions.on_this_node import on_this_node
from installer.actions.options import RunOptions
from installer.actions.passwords import AdminPassword, demand_good, taken
from installer.actions.rollout import roll_out, survey
from installer.actions.run_log import logged_to
from installer.cluster_secrets import change_secrets, load_secrets
from installer.errors import ConfigError, Problem, Refused
from installer.events import Listener
from installer.expand.local import local_node
from installer.report import Report
from installer.secrets import Secret

_MANAGER = "manager_service"


def reset_node_password(password: Secret) -> AdminPassword:
    """Give the administrator another password by the manager of this node."""
    installed = node_with_manager()
    demand_good(password, hardening=installed.config["hardening"])
    with hold_node("reset-admin-password"), logged_to(LOGS, "reset-admin-password"):
        said = taken(on_this_node, password)
        is_kept = "admin_password" in load_secrets(SECRETS)
        if is_kept:
            change_secrets(SECRETS, {"admin_password": password})
    return AdminPassword(said=said, kept_in=SECRETS if is_kept else None)


def change_node_key(report: Report) -> KeyChanged:
    """Change the encryption key of this node's manager; again finishes what was interrupted.

    Raises Refused where other managers may know the key too.
    """
    installed = node_with_manager()
    _demand_own_key(installed)
    with (
        hold_node("update-encryption-key"),
        logged_to(LOGS, "update-encryption-key"),
        journaled(STATE / "journal.jsonl", report) as notify,
    ):
        holders = KeyHolders(
            secrets_path=SECRETS,
            converge=functools.partial(_converge, installed, notify),
            reseal=functools.partial(on_this_node, reseal_on),
        )
        return change_encryption_key(holders)


def _demand_own_key(installed: Installed) -> None:
    if not installed.config["flask_security"]["encryption_key"]:
        return
    raise Refused(
        Problem(
            where="flask_security.encryption_key",
            what="config.yaml says this key, which all managers of the cluster share",
            remedy="on the controller: cfy_manager cluster update-encryption-key -i INVENTORY; "
            f"for a manager alone move the key to {SECRETS} as `encryption_key: '…'`",
            code="key-is-shared",
        )
    )


def _converge(installed: Installed, notify: Listener, title: str) -> None:
    """Bring this node's manager to what its secrets say; nothing else of the node."""
    node = local_node(installed.config, STATE)
    job = replace(local_job(node.inputs), files=node.files)
    with survey([job]) as seen:
        roll_out(seen, RunOptions(title=title, only=("manager",), alone=True), notify)


def node_with_manager() -> Installed:
    """Return what is installed here; raises ConfigError when no manager is."""
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
