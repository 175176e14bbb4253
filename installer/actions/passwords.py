"""The administrator's password: what it must be, and how a manager takes it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from installer.config.hardening_rules import SHORTEST_PASSWORD, STRICT
from installer.config.rules import password_fault
from installer.engine.session import Session
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.roles.manager.bootstrap import RUNTIME
from installer.secrets import Secret

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


def set_on(session: Session, *, password: Secret) -> str:
    """Let the manager of a node store the password; return its words. One command."""
    request = Secret(json.dumps({"password": password.reveal()}))
    done = session.run(_SCRIPT, stdin_secrets={"REQUEST": request}, timeout_s=60)
    if done.code != 0:
        raise PhaseFailed(
            Problem(
                where=session.name,
                what=f"the manager did not take the password: {done.stderr.strip()[-500:]}",
                remedy="mend what it tells; the old password is in force",
            )
        )
    return done.stdout.strip()
