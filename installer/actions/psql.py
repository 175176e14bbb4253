"""Open psql on the primary: from the controller by SSH, or from a database node."""

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from installer.actions.databases import demand_database
from installer.actions.installed import this_node
from installer.actions.members import asked_databases
from installer.actions.node import node_inputs
from installer.actions.on_this_node import on_this_node
from installer.engine.openssh import demand_client, login_words
from installer.engine.session import Session
from installer.engine.target import target_of
from installer.errors import NotHealthy, Problem
from installer.inventory import Role, load_inventory
from installer.roles.database.model import DatabaseSettings
from installer.roles.database.settings import database_settings
from installer.roles.database.sql import socket_psql, superuser_psql
from installer.roles.database.users import login_secrets
from installer.status.members import database_presence
from installer.status.model import Part

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of psql: a statement, what stands on standard input, or a talk."""

    database: str
    statement: str | None = None
    is_talk: bool = False

    @property
    def text(self) -> str | None:
        """Return what goes to psql's standard input; SQL may hold secrets, a command line not."""
        return None if self.statement is None else f"{self.statement}\n;\n"

    @property
    def options(self) -> tuple[str, ...]:
        """Return psql's options."""
        return ("-X",) if self.is_talk else ("-X", "-v", "ON_ERROR_STOP=1")


def open_psql(inventory: Path | None, question: Question) -> int:
    """Run psql on the primary with this terminal, and return its exit code."""
    return _here(question) if inventory is None else _from_controller(inventory, question)


def _from_controller(path: Path, question: Question) -> int:
    inventory = load_inventory(path)
    demand_client()
    leader = database_presence(asked_databases(path, timeout_s=_PATIENCE_S)).database_with(
        Part.LEADER
    )
    if leader is None:
        raise NotHealthy(_no_primary(f" -i {path}"))
    node = next(n for n in inventory.with_role(Role.DATABASE) if n.name == leader)
    psql = [*socket_psql(question.database), *question.options]
    sudo = [] if node.ssh.user == "root" else ["sudo", "-n"]
    terminal = "-tt" if question.is_talk else "-T"
    words = [*login_words(target_of(node), terminal), shlex.join([*sudo, *psql])]
    return subprocess.run(words, input=question.text, text=True, check=False).returncode


def _here(question: Question) -> int:
    installed = this_node()
    demand_database(installed.config)
    inputs = node_inputs(installed)

    def settings(session: Session) -> DatabaseSettings:
        return database_settings(inputs, session.observe(()).facts)

    db = on_this_node(settings)
    secrets = {name: secret.reveal() for name, secret in login_secrets(db).items()}
    environment = {**os.environ, **secrets}  # /proc shows it to root only, a command line to all
    words = [*superuser_psql(db, question.database), *question.options]
    done = subprocess.run(words, input=question.text, text=True, check=False, env=environment)
    return done.returncode


def _no_primary(words: str) -> Problem:
    return Problem(
        where="database",
        what="no database leads at the moment",
        remedy=f"look with `cfy_manager dbs list{words}`",
        code="database-without-primary",
    )
