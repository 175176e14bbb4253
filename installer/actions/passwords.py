"""The administrator's password: what it must be, and how a manager takes it."""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from installer.config.hardening_rules import SHORTEST_PASSWORD, STRICT
from installer.config.rules import password_fault
from installer.engine.outcome import TIMED_OUT
from installer.engine.session import Session
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.roles.manager.bootstrap import RUNTIME
from installer.secrets import Secret

NOT_TAKEN = "password-not-taken"
_STORED_S = 60
_MOST = 256  # the runtime's limit, and the original's
_SCRIPT = f"""cd /
printf %s "$REQUEST" | env -u REQUEST {RUNTIME} reset-admin-password
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminPassword:
    """What a manager said of the new password, and the file that holds it now, if one does."""

    said: str
    kept_in: Path | None
    problems: tuple[Problem, ...] = ()  # of managers whose config.yaml has the old one


def demand_good(password: Secret, *, hardening: str) -> None:
    """Raise ConfigError for a password that others may guess, or that no manager takes."""
    if faults := tuple(_faults(password.reveal(), hardening)):
        remedy = "choose a longer one, or leave it to `--generate`"
        raise ConfigError(
            *(
                Problem(where="the new password", what=fault, remedy=remedy, code=code)
                for fault, code in faults
            )
        )


def _faults(password: str, hardening: str) -> Iterator[tuple[str, str]]:
    if fault := password_fault(password):
        yield fault, "weak-password"
    if len(password) > _MOST:
        yield f"the password has more than {_MOST} characters", "bad-value"
    if "\n" in password or "\0" in password:
        yield "the password has more than one line", "bad-value"
    if hardening == STRICT and len(password) < SHORTEST_PASSWORD:
        what = f"`hardening: strict` wants passwords of {SHORTEST_PASSWORD} characters"
        yield what, "hardening-password"


def taken(ask: Callable[[Callable[[Session], str]], str], password: Secret) -> str:
    """Let a manager, which `ask` reaches, store the password; return its words.

    Raises PhaseFailed with the code NOT_TAKEN where the old password is surely in force, and with
    `password-unknown` where the manager may have stored the new one.
    """
    try:
        return ask(functools.partial(_set_on, password=password))
    except PhaseFailed as error:
        raise PhaseFailed(*map(_told, error.problems)) from error


def _set_on(session: Session, *, password: Secret) -> str:
    request = Secret(json.dumps({"password": password.reveal()}))
    done = session.run(_SCRIPT, stdin_secrets={"REQUEST": request}, timeout_s=_STORED_S)
    if done.code == 0:
        return done.stdout.strip()
    if done.code == TIMED_OUT:  # the database may have it, and wait for a replica
        what = f"the manager has not stored the password within {_STORED_S} s"
        raise PhaseFailed(Problem(where=session.name, what=what, remedy=""))
    raise PhaseFailed(
        Problem(
            where=session.name,
            what=f"the manager did not take the password: {done.stderr.strip()[-500:]}",
            remedy="mend what it tells; the old password is in force",
            code=NOT_TAKEN,
        )
    )


def _told(problem: Problem) -> Problem:
    if problem.code == NOT_TAKEN:
        return problem
    return replace(
        problem,
        what=f"{problem.what}: the old password or the new one is in force",
        remedy="run the command again once `cluster status` is healthy",
        code="password-unknown",
    )
