"""The runtime's commands: each loads manager.yaml, does one thing and says how it went.

A command imports what it works with itself: together the modules cost a second of processor time,
and a rollout runs several commands on each manager.
"""

import argparse
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from manager.errors import BadParameters, ManagerError, SettingsError
from manager.log import configure_logging
from manager.settings import PATH_VARIABLE, Settings, settings_path
from manager.settings_file import load_settings

if TYPE_CHECKING:
    from manager.storage.database import Database

_FAILED = 1
_INVALID = 3  # the installer's exit code for an invalid configuration


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name and return its exit code."""
    options = _parser().parse_args(arguments)
    configure_logging()
    try:
        return _COMMANDS[options.command](load_settings(options.config), options)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return _INVALID
    except ManagerError as error:
        sys.stderr.write(f"{error}\n")
        return _FAILED


def _migrate(settings: Settings, options: argparse.Namespace) -> int:
    from manager.storage.schema import missing_revisions, upgrade_schema

    with _database(settings) as database:
        if options.missing:
            with database.engine.connect() as connection:
                missing = missing_revisions(connection)
            sys.stdout.writelines(f"{revision}\n" for revision in missing)
            return _FAILED if missing else 0
        sys.stdout.write(f"schema at revision {upgrade_schema(database.engine)}\n")
    return 0


def _bootstrap(settings: Settings, _options: argparse.Namespace) -> int:
    from manager.services.bootstrap import bootstrap, parse_secrets
    from manager.storage.schema import expand_schema, lock_cluster

    secrets = parse_secrets(_json_on_stdin())
    with _database(settings) as database:
        expand_schema(database.engine)
        with database.session() as session:
            lock_cluster(session.connection())
            bootstrap(session, settings, secrets)
    sys.stdout.write(f"{settings.manager.hostname} is part of the cluster\n")
    return 0


def _tokens(settings: Settings, options: argparse.Namespace) -> int:
    from manager.services.bootstrap import reporter_tokens

    with _database(settings) as database, database.session() as session:
        tokens = reporter_tokens(session, settings)
    if options.json:
        sys.stdout.write(json.dumps(tokens) + "\n")
    else:
        sys.stdout.writelines(f"{kind}: {token}\n" for kind, token in tokens.items())
    return 0


def _check(settings: Settings, options: argparse.Namespace) -> int:
    from manager.services.bootstrap import BootstrapSecrets, parse_secrets
    from manager.services.check import database_problems, file_problems

    secrets = parse_secrets(_json_on_stdin()) if options.secrets else BootstrapSecrets()
    problems = list(file_problems(settings))
    if not problems:
        with _database(settings) as database, database.session() as session:
            problems = list(database_problems(session, settings, secrets))
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return _FAILED if problems else 0


def _forget(settings: Settings, options: argparse.Namespace) -> int:
    from manager.services import cluster

    forget = {
        "manager": cluster.remove_manager,
        "broker": cluster.remove_broker,
        "db": cluster.remove_database_node,
    }
    with _database(settings) as database, database.session() as session:
        forget[options.type](session, options.name)
    return 0


def _update_encryption_key(settings: Settings, _options: argparse.Namespace) -> int:
    from manager.services.encryption import Sealer
    from manager.services.encryption_key import update_encryption_key

    with _database(settings) as database, database.session() as session:
        changed = update_encryption_key(session, Sealer.of(settings.security))
    sys.stdout.write(f"{changed} values are sealed anew\n")
    return 0


def _reset_admin_password(settings: Settings, _options: argparse.Namespace) -> int:
    from manager.services.users import reset_admin_password

    given = _json_on_stdin()
    if not isinstance(given, dict) or given.keys() != {"password"}:
        raise BadParameters('standard input is not a JSON object {"password": "…"}')
    with _database(settings) as database, database.session() as session:
        username = reset_admin_password(session, given["password"]).username
    sys.stdout.write(f"the password of `{username}` is changed\n")
    return 0


def _settle_restored(settings: Settings, _options: argparse.Namespace) -> int:
    from manager.services.restored import parse_nodes, settle

    nodes = parse_nodes(_json_on_stdin())
    with _database(settings) as database, database.session() as session:
        done = settle(session, nodes)
    sys.stdout.write(json.dumps(dataclasses.asdict(done)) + "\n")
    return 0


def _prepare_sync(settings: Settings, _options: argparse.Namespace) -> int:
    from manager.services.sync_home import prepare_home

    prepare_home(settings)
    return 0


def _serve_sync(settings: Settings, _options: argparse.Namespace) -> int:
    from manager.services.sync import serve

    with _database(settings, connections=1) as database:
        serve(settings, database)
    return 0


@contextmanager
def _database(settings: Settings, *, connections: int = 5) -> "Iterator[Database]":
    from manager.storage.database import Database

    with closing(Database(settings.database, connections=connections)) as database:
        yield database


def _work(settings: Settings, options: argparse.Namespace) -> int:
    from manager.worker.service import serve

    logging.getLogger().setLevel(settings.worker.log_level)
    os.environ[PATH_VARIABLE] = str(options.config)  # tasks are processes of their own
    serve(settings)
    return 0


_COMMANDS: Mapping[str, Callable[[Settings, argparse.Namespace], int]] = {
    "migrate": _migrate,
    "bootstrap": _bootstrap,
    "tokens": _tokens,
    "check": _check,
    "forget": _forget,
    "update-encryption-key": _update_encryption_key,
    "reset-admin-password": _reset_admin_password,
    "settle-restored": _settle_restored,
    "prepare-sync": _prepare_sync,
    "serve-sync": _serve_sync,
    "worker": _work,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m manager", description=__doc__)
    parser.add_argument("--config", type=Path, default=settings_path(), help="manager.yaml")
    commands = parser.add_subparsers(dest="command", required=True)
    migrate = commands.add_parser(
        "migrate", help="finish the database's schema, once no manager of an older release runs"
    )
    migrate.add_argument(
        "--missing", action="store_true", help="only list what it lacks; exit 1 if anything"
    )
    commands.add_parser(
        "bootstrap",
        help="add to the schema what this release needs, create users and tokens, register this "
        "manager; secrets as JSON on stdin",
    )
    tokens = commands.add_parser("tokens", help="show the status reporters' tokens")
    tokens.add_argument("--json", action="store_true")
    check = commands.add_parser("check", help="tell what keeps this manager from working")
    check.add_argument(
        "--secrets", action="store_true", help="compare the tokens in bootstrap's JSON"
    )
    forget = commands.add_parser("forget", help="remove a node that has left the cluster")
    forget.add_argument("type", choices=("broker", "db", "manager"))
    forget.add_argument("name")
    commands.add_parser(
        "update-encryption-key",
        help="seal with security.encryption_key what an old key sealed; repeat until it says 0",
    )
    commands.add_parser(
        "reset-admin-password",
        help="give the administrator another password and unlock the account; JSON on stdin",
    )
    commands.add_parser(
        "settle-restored",
        help="end the executions that a restored database believes in, and forget the nodes that"
        " are not named; JSON on stdin",
    )
    commands.add_parser("prepare-sync", help="write syncthing's first configuration if absent")
    commands.add_parser("serve-sync", help="keep syncthing's devices in step with the managers")
    commands.add_parser("worker", help="run workflows and operations")
    return parser


def _json_on_stdin() -> object:
    text = sys.stdin.read().strip()
    try:
        return json.loads(text) if text else {}
    except ValueError as error:
        raise BadParameters(f"standard input is not JSON: {error}") from error
