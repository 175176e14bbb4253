"""A cluster's secrets: made once, kept in one file beside the inventory, changed on request."""

import base64
import hmac
import os
import secrets
import stat
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from installer.config.model import Document
from installer.config.rules import password_fault
from installer.config.source import Finding, KeyPath, value_at
from installer.config.words import nearest
from installer.config.yaml_text import load_yaml
from installer.errors import ConfigError, Problem
from installer.secrets import Secret, generate_password

Secrets = Mapping[str, Secret]

_HEAD = """\
# The secrets of one cluster, made by cfy_manager. Keep this file to yourself and back it up.
# A value may be changed before the first installation; whatever is missing is made anew.
# Afterwards `cluster reset-admin-password` and `cluster update-encryption-key` change theirs.
"""
_REPORTER_KINDS = ("manager", "db", "broker")


@dataclass(frozen=True, slots=True)
class SecretKind:
    """A secret's key in config.yaml, if it has just one, and how it is made.

    What somebody else knows already is not made: it is there if it was given.
    """

    config_path: KeyPath | None
    make: Callable[[], Secret] | None = generate_password


def new_encryption_key() -> Secret:
    """Return a random key for sealing what the managers store."""
    return Secret(base64.urlsafe_b64encode(secrets.token_bytes(64)).decode())


def _encoding_alphabet() -> Secret:
    letters = list(string.ascii_letters + string.digits)
    secrets.SystemRandom().shuffle(letters)
    return Secret("".join(letters))


def _reporter_token() -> Secret:
    return Secret(f"ctok-{generate_password(10).reveal()}-{generate_password(40).reveal()}")


def derived_token(key: str, kind: str) -> str:
    """Return the token of a kind of reporter that follows from a secret key."""
    digest = hmac.new(key.encode(), f"status reporter {kind}".encode(), "sha256").hexdigest()
    return f"ctok-{digest[:10]}-{digest[10:50]}"


def _vrrp_password() -> Secret:
    return generate_password(8)  # keepalived.conf(5): only 8 characters of auth_pass are used


# the encryption key while it changes: the one that comes; the one that still opens what it sealed;
# the one that no manager needs any more
NEXT_KEY, PREVIOUS_KEY, RETIRED_KEY = (
    f"{word}_encryption_key" for word in ("next", "previous", "retired")
)
FURTHER_KEYS = (NEXT_KEY, PREVIOUS_KEY)  # managers accept them beside their own
_CLUSTER = ("postgresql_server", "cluster")

SECRET_KINDS: Mapping[str, SecretKind] = {
    "admin_password": SecretKind(("manager", "security", "admin_password")),
    "postgres_password": SecretKind(("postgresql_server", "postgres_password")),
    "replicator_password": SecretKind((*_CLUSTER, "postgres", "replicator_password")),
    "rewind_password": SecretKind((*_CLUSTER, "postgres", "rewind_password")),
    "etcd_cluster_token": SecretKind((*_CLUSTER, "etcd", "cluster_token")),
    "etcd_root_password": SecretKind((*_CLUSTER, "etcd", "root_password")),
    "etcd_patroni_password": SecretKind((*_CLUSTER, "etcd", "patroni_password")),
    "patroni_rest_password": SecretKind((*_CLUSTER, "patroni", "rest_password")),
    "cloudify_password": SecretKind(("postgresql_client", "cloudify_password")),
    "server_password": SecretKind(("postgresql_client", "server_password"), make=None),
    "cloudify_verifier_salt": SecretKind(None),  # makes the same verifier at each run
    "rabbitmq_password": SecretKind(("rabbitmq", "password")),
    "erlang_cookie": SecretKind(("rabbitmq", "erlang_cookie")),
    "hash_salt": SecretKind(("flask_security", "hash_salt")),
    "secret_key": SecretKind(("flask_security", "secret_key")),
    "encoding_alphabet": SecretKind(("flask_security", "encoding_alphabet"), _encoding_alphabet),
    "encryption_key": SecretKind(("flask_security", "encryption_key"), new_encryption_key),
    **dict.fromkeys((*FURTHER_KEYS, RETIRED_KEY), SecretKind(None, make=None)),
    "backup_encryption_password": SecretKind(("backup", "encryption_password"), make=None),
    "backup_s3_secret_key": SecretKind(("backup", "s3", "secret_key"), make=None),
    "vrrp_password": SecretKind(("loadbalancer", "vrrp_password"), _vrrp_password),
    **{
        f"{kind}_status_reporter": SecretKind(("status_reporter", "tokens", kind), _reporter_token)
        for kind in _REPORTER_KINDS
    },
}


def ensure_secrets(path: Path) -> Secrets:
    """Return the secrets of a cluster; what the file lacks is made and added to it.

    Raises ConfigError when the file is readable by others or holds something else.
    """
    secrets = provisional_secrets(path)
    save_secrets(path, secrets)
    return secrets


def provisional_secrets(path: Path) -> Secrets:
    """Return the secrets of a cluster; what the file lacks is made, but written nowhere."""
    known = load_secrets(path)
    lacking = {name: kind for name, kind in SECRET_KINDS.items() if name not in known}
    return known | {name: kind.make() for name, kind in lacking.items() if kind.make}


def save_secrets(path: Path, secrets: Secrets) -> None:
    """Add to the file those of the secrets that it lacks."""
    known = load_secrets(path)
    lines = [_line(name, secret) for name, secret in secrets.items() if name not in known]
    if lines:
        before = path.read_text(encoding="utf-8") if path.exists() else _HEAD
        _replace(path, before if before.endswith("\n") else before + "\n", *lines)


def change_secrets(path: Path, changes: Mapping[str, Secret | None]) -> None:
    """Give secrets of the file another value, or take them out of it; all at once or not at all.

    Raises ConfigError when the file's lines cannot be told apart.
    """
    known = load_secrets(path)
    wanted = {name: secret for name, secret in {**known, **changes}.items() if secret is not None}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else [_HEAD]
    kept = [line for line in lines if line.partition(":")[0].strip() not in changes]
    new = [_line(name, secret) for name, secret in changes.items() if secret is not None]
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    text = "".join((*kept, *new))
    if _values(text) != {name: secret.reveal() for name, secret in wanted.items()}:
        raise ConfigError(_unlined(path, changes))
    _replace(path, text)


def load_secrets(path: Path) -> dict[str, Secret]:
    """Return the secrets that the file holds; none where it does not exist."""
    if not path.exists():
        return {}
    if problems := tuple(_mode_problems(path)):
        raise ConfigError(*problems)
    loaded = load_yaml(path)
    problems = (*loaded.problems, *map(loaded.problem, _findings(loaded.document)))
    if problems:
        raise ConfigError(*problems)
    return {name: Secret(value) for name, value in loaded.document.items()}


def with_settings(known: Secrets, settings: Document) -> Secrets:
    """Return the secrets with those that the inventory's settings give themselves."""
    given = {
        name: Secret(str(value))
        for name, kind in SECRET_KINDS.items()
        if kind.config_path and (value := value_at(settings, kind.config_path))
    }
    return {**known, **given}


def _findings(document: Document) -> Iterator[Finding]:
    for name, value in document.items():
        if name not in SECRET_KINDS:
            meant = nearest(name, SECRET_KINDS)
            remedy = f"did you mean `{meant}`?" if meant else "remove it"
            yield Finding((name,), "this secret is not known", remedy, "unknown-key")
        elif not isinstance(value, str) or not value:
            remedy = "put it in quotes, or remove the line"
            yield Finding((name,), "this is no text", remedy, "bad-value")
        elif fault := password_fault(value):
            remedy = "remove the line to have one generated"
            yield Finding((name,), fault, remedy, "weak-password")


def _values(text: str) -> object:
    """Return what a file of secrets says; None where it is no YAML."""
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError:
        return None


def _line(name: str, secret: Secret) -> str:
    quoted = secret.reveal().replace("'", "''")
    return f"{name}: '{quoted}'\n"


def _unlined(path: Path, names: Iterable[str]) -> Problem:
    return Problem(
        where=", ".join(names),
        what="the secret does not stand on one line of its own",
        remedy="write each secret as one line, `name: 'value'`",
        file=str(path),
    )


def _mode_problems(path: Path) -> Iterator[Problem]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Problem(
            where="the file",
            what=f"others may read it: its mode is {mode:04o}",
            remedy=f"chmod 600 {path}, and replace the secrets if others had access",
            file=str(path),
            code="secrets-readable",
        )


def _replace(path: Path, *texts: str) -> None:
    """Write the file anew under another name, then put it in the place of the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(texts)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
