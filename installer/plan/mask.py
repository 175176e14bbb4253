"""Digests that a plan may hold: of what is secret, only with a key that stays on the controller."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

GENERATED = "to be made"  # what the run makes has no digest before
_BYTES = 32
_DIGITS = 32


class Mask:
    """Turns secret values into words that tell whether two are equal, and nothing else.

    A plain digest of a weak password could be found by trying; without the key nobody can try.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def word(self, name: str, value: str) -> str:
        """Return a word for a value; equal values under two names have different words."""
        text = f"{len(name)}:{name}{value}".encode()
        return f"hmac:{hmac.new(self._key, text, 'sha256').hexdigest()[:_DIGITS]}"

    def seal(self, content: bytes) -> str:
        """Return what only a holder of the key can make for this content."""
        return hmac.new(self._key, b"seal" + content, "sha256").hexdigest()


def make_mask(path: Path) -> Mask:
    """Return the mask of the key in a file, which is made if it is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Mask(path.read_bytes())
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return Mask(path.read_bytes())


def read_mask(path: Path) -> Mask | None:
    """Return the mask of the key in a file, or None when there is none."""
    return Mask(path.read_bytes()) if path.exists() else None


def passing_mask() -> Mask:
    """Return a mask for a plan that is only shown: its key is kept nowhere."""
    return Mask(secrets.token_bytes(_BYTES))


def file_digest(path: Path) -> str:
    """Return the digest of a file that is no secret."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
