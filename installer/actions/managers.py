"""What a day-two command does with the managers of a cluster: converge them, ask one of them."""

import functools
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from installer.actions.encryption_key import (
    KeyChanged,
    KeyHolders,
    change_encryption_key,
    reseal_on,
)
from installer.actions.install import journaled
from installer.actions.options import RunOptions
from installer.actions.passwords import NOT_TAKEN, AdminPassword, demand_good, taken
from installer.actions.rollout import NODE, roll_out, survey
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import hold_cluster
from installer.cluster_secrets import change_secrets, load_secrets
from installer.config.source import value_at
from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.engine.target import target_of
from installer.errors import ConfigError, NodeUnreachable, PhaseFailed, Problem
from installer.events import Listener
from installer.expand.check import load_cluster
from installer.inventory import Inventory, Role, runs_folder
from installer.report import Report
from installer.secrets import Secret

T = TypeVar("T")
_CONFIG = f"{NODE}/base"  # the phase that writes config.yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Managers:
    """The managers of a cluster, for the time of one command that holds the lock."""

    inventory: Inventory
    notify: Listener
    log_path: Path

    def converge(
        self,
        title: str,
        *,
        only: tuple[str, ...] = (_CONFIG, "manager"),
        without: Collection[str] = (),
    ) -> None:
        """Bring each to what inventory and secrets say, one restart at a time, gated."""
        cluster = open_running(self.inventory)
        own = {node.name for node in self.inventory.with_role(Role.MANAGER)} - {*without}
        jobs = [job for job in cluster.jobs() if job.inputs.name in own]
        with survey(jobs) as seen:
            roll_out(seen, RunOptions(title=title, only=only), self.notify)

    def unreachable(self) -> dict[str, Problem]:
        """Return the problem of each manager that does not answer."""
        with self._engine() as engine:
            return engine.connect()

    def ask_one(self, ask: Callable[[Session], T]) -> T:
        """Return what the first manager that can be reached answers."""
        names = [node.name for node in self.inventory.with_role(Role.MANAGER)]
        with self._engine() as engine:
            unreachable = engine.connect()
            name = next((name for name in names if name not in unreachable), None)
            if name is None:
                raise NodeUnreachable(*unreachable.values())
            (outcome,) = engine.on_each([name], ask).values()
        if outcome.error is not None:
            raise PhaseFailed(outcome.error)
        return outcome.value  # type: ignore[return-value] # it is T when there is no error

    def _engine(self) -> Engine:
        return Engine([target_of(node) for node in self.inventory.with_role(Role.MANAGER)])


@contextmanager
def managers_of(inventory_path: Path, command: str, report: Report) -> Iterator[Managers]:
    """Yield a cluster's managers under its lock, with log and journal."""
    inventory = load_cluster(inventory_path)
    folder = runs_folder(inventory)
    with (
        hold_cluster(inventory, f"cluster {command}"),
        logged_to(folder, command) as log_path,
        journaled(folder / "journal.jsonl", report) as notify,
    ):
        open_running(inventory)  # elsewhere new secrets would lock everybody out
        yield Managers(inventory=inventory, notify=notify, log_path=log_path)


def change_cluster_key(inventory_path: Path, report: Report) -> KeyChanged:
    """Change the encryption key of a cluster's managers; again finishes what was interrupted."""
    with managers_of(inventory_path, "update-encryption-key", report) as managers:
        _demand_ours(managers.inventory, ("flask_security", "encryption_key"))
        if away := managers.unreachable():  # before the file tells of a change
            raise NodeUnreachable(*away.values())
        holders = KeyHolders(
            secrets_path=managers.inventory.secrets_path,
            converge=managers.converge,
            reseal=functools.partial(managers.ask_one, reseal_on),
        )
        return change_encryption_key(holders)


def reset_cluster_password(inventory_path: Path, password: Secret, report: Report) -> AdminPassword:
    """Give a cluster's administrator another password, which the secrets file then holds.

    A password that the managers refuse leaves the file as it was. One of them is enough to change
    it: those that do not answer are problems in the result.
    """
    with managers_of(inventory_path, "reset-admin-password", report) as managers:
        inventory = managers.inventory
        _demand_ours(inventory, ("manager", "security", "admin_password"))
        demand_good(password, hardening=inventory.hardening)
        said = _take_password(managers, password)
        away = managers.unreachable()
        managers.converge("Telling the managers' config.yaml", only=(_CONFIG,), without=away)
    problems = tuple(_untold(problem) for problem in away.values())
    return AdminPassword(said=said, kept_in=inventory.secrets_path, problems=problems)


def _take_password(managers: Managers, password: Secret) -> str:
    path = managers.inventory.secrets_path
    before = load_secrets(path).get("admin_password")
    change_secrets(path, {"admin_password": password})  # first: nobody would know it otherwise
    try:
        return taken(managers.ask_one, password)
    except NodeUnreachable:  # nobody was asked
        change_secrets(path, {"admin_password": before})
        raise
    except PhaseFailed as error:
        # else the new one stays, as after an interruption: it may be in force
        if error.problems[0].code == NOT_TAKEN:
            change_secrets(path, {"admin_password": before})
        raise


def _untold(problem: Problem) -> Problem:
    remedy = (
        f"{problem.remedy}; then `cluster install` writes the new password to config.yaml there"
    )
    return replace(problem, remedy=remedy)


def _demand_ours(inventory: Inventory, key: tuple[str, ...]) -> None:
    """Raise ConfigError when the inventory itself says a secret: its file is not ours to write."""
    if not value_at(inventory.settings, key):
        return
    raise ConfigError(
        Problem(
            where=f"settings.{'.'.join(key)}",
            what="the inventory says this secret itself, and is never written",
            remedy=f"move it to {inventory.secrets_path} as `{key[-1]}: '…'`, then run again",
            file=str(inventory.path),
        )
    )
