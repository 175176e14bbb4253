"""Operations of cloudify.nodes.PasswordSecret: a password made at random, kept as a secret."""

import secrets
import string
from collections.abc import Mapping
from typing import Any

from cloudify import ctx, manager
from cloudify.exceptions import NonRecoverableError

from manager.types.extras import delete_secrets, provide_secrets
from manager.types.work import forget, note, resumable, setting

_MIN_LENGTH = 6
_KINDS = {
    "uppercase": string.ascii_uppercase,
    "lowercase": string.ascii_lowercase,
    "digits": string.digits,
    "symbols": " " + string.punctuation,
}


@resumable
def create(**inputs: Any) -> None:
    """Make the password, or take the existing secret if that is wanted."""
    name: str = setting("secret_name", inputs) or f"ps_{ctx.deployment.id}_{ctx.instance.id}"
    if not _takes_existing(name, inputs):
        client = manager.get_rest_client()
        provide_secrets(client, {name: password(_length(inputs), _minimums(inputs))})
    note(secret_name=name, password={"get_secret": name})


@resumable
def delete(**_inputs: Any) -> None:
    """Delete the secret if this instance made it."""
    delete_secrets(manager.get_rest_client())
    forget("secret_name", "password")


@resumable
def creation_validation(**inputs: Any) -> None:
    """Raise unless a password can be made as the properties tell."""
    if problem := password_problem(_length(inputs), _minimums(inputs)):
        raise NonRecoverableError(problem)


def password_problem(length: int, minimums: Mapping[str, int]) -> str | None:
    """Return why there can be no such password, or None."""
    if length < _MIN_LENGTH:
        return f"Password length is required to be at least {_MIN_LENGTH} characters"
    if any(minimum < -1 for minimum in minimums.values()):
        return "A kind of characters has a minimum below -1, which means none of them"
    if all(minimum == -1 for minimum in minimums.values()):
        return "Could not satisfy password requirements: every kind of characters is excluded"
    if sum(max(minimum, 0) for minimum in minimums.values()) > length:
        return "Could not satisfy password requirements: the minimums exceed the length"
    return None


def password(length: int, minimums: Mapping[str, int]) -> str:
    """Return a random password with at least so many characters of each kind, none where -1."""
    if problem := password_problem(length, minimums):
        raise NonRecoverableError(problem)
    alphabet = "".join(_KINDS[kind] for kind, minimum in minimums.items() if minimum >= 0)
    needed = [
        secrets.choice(_KINDS[kind]) for kind, minimum in minimums.items() for _ in range(minimum)
    ]
    characters = needed + [secrets.choice(alphabet) for _ in range(length - len(needed))]
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)


def _takes_existing(name: str, inputs: Mapping[str, Any]) -> bool:
    if not setting("use_secret_if_exists", inputs):
        return False
    if not setting("secret_name", inputs):
        raise NonRecoverableError("use_secret_if_exists needs a secret_name")
    return bool(manager.get_rest_client().secrets.list(key=name, _include=["key"]))


def _length(inputs: Mapping[str, Any]) -> int:
    return int(setting("length", inputs))


def _minimums(inputs: Mapping[str, Any]) -> dict[str, int]:
    return {kind: int(setting(kind, inputs) or 0) for kind in _KINDS}
