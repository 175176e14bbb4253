"""The steps that make users and the managers' database what config.yaml says."""

import hashlib
from collections.abc import Mapping

from installer.roles.database.model import Application, DatabaseSettings
from installer.roles.database.sql import ask, change
from installer.secrets import Secret, scram_verifier
from installer.state import Step


def users_steps(db: DatabaseSettings) -> tuple[Step, ...]:
    """Return the step that sets the passwords of the superuser and the replicating users.

    Patroni sets them when it makes the cluster, and never again. Only the primary itself needs no
    password to change one: the others wait for it before they try theirs.
    """
    verifiers = user_verifiers(db)
    if not verifiers:  # alone, and open to nobody but the managers' user
        return ()
    holds = ask(db, "users_hold", users=list(verifiers))
    secrets = {f"{user.upper()}_VERIFIER": verifier for user, verifier in verifiers.items()}
    return (
        Step(
            name="Set the passwords of the database's own users",
            guard=holds,
            script=_after_primary(db, holds) + change(db, "users", users=list(verifiers)),
            secrets=login_secrets(db) | secrets,
        ),
    )


def application_step(db: DatabaseSettings, application: Application) -> Step:
    """Return the step that makes the managers' user and database, closed to everybody else."""
    return Step(
        name=f"Create the user {application.username} and its database {application.database}",
        guard=ask(db, "application_holds", application=application),
        script=change(db, "application", application=application),
        secrets=login_secrets(db) | {"APPLICATION_VERIFIER": application.verifier},
    )


def user_verifiers(db: DatabaseSettings) -> Mapping[str, Secret]:
    """Return what PostgreSQL must store of the passwords of the cluster's own users."""
    passwords = {
        "postgres": db.passwords.superuser,
        "replicator": db.passwords.replicator,
        "rewind": db.passwords.rewind,
    }
    return {
        user: Secret(scram_verifier(password, _salt(db, user)))
        for user, password in passwords.items()
        if password is not None
    }


def _salt(db: DatabaseSettings, user: str) -> bytes:
    """Return a salt that stays: a fresh one would make each run change the password."""
    return hashlib.sha256(f"{db.cluster_token.reveal()}:{user}".encode()).digest()[:16]


def login_secrets(db: DatabaseSettings) -> dict[str, Secret]:
    """Return what psql needs to log in where the primary is another node."""
    return {"PGPASSWORD": db.passwords.superuser} if db.passwords.superuser else {}


def _after_primary(db: DatabaseSettings, holds: str) -> str:
    """Return shell text that gives the primary 5 s on a node that is none."""
    return f"""\
holds() {{
{holds}}}
for _ in $(seq 20); do
    test -e {db.data_dir}/standby.signal || break
    if holds; then exit 0; fi
    sleep 0.25
done
"""
