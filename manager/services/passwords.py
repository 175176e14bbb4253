"""Hash passwords with argon2id, and verify them without paying its price for each request."""

import hashlib
import secrets
import threading
from collections import OrderedDict

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_REMEMBERED = 1024
_AT_ONCE = 2  # a flood of wrong passwords must not take all memory and processors


def hash_password(password: str) -> str:
    """Return what is stored for a password."""
    return _HASHER.hash(password)


def is_hash(text: str) -> bool:
    """Tell whether `text` is what `hash_password` returns."""
    try:
        return extract_parameters(text).type is Type.ID
    except InvalidHashError:
        return False


class PasswordChecker:
    """Verify passwords; right ones are remembered, so that a client's next request is cheap.

    What is remembered is a keyed digest of the stored hash and the password, with a key that
    never leaves the process. A changed password has another hash, so it is never remembered.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = hash_password(secrets.token_hex())

    def is_right(self, password: str, stored_hash: str | None) -> bool:
        """Tell whether `password` is the one that `stored_hash` was made of.

        Without a hash (unknown user) it takes as long and is false.
        """
        # Keyed BLAKE2 is a MAC (RFC 7693). OpenSSL's HMAC lets go of the interpreter's lock, and
        # under load a thread waits longer to get that back than the digest takes.
        digest = hashlib.blake2b(f"{stored_hash}\0{password}".encode(), key=self._key).digest()
        if stored_hash is not None and self._remembers(digest):
            return True
        right = self._verify(password, stored_hash or self._nobody)
        if right and stored_hash is not None:
            self._remember(digest)
            return True
        return False

    def _verify(self, password: str, stored_hash: str) -> bool:
        with self._slots:
            try:
                return _HASHER.verify(stored_hash, password)
            except (VerificationError, InvalidHashError):
                return False

    def _remembers(self, digest: bytes) -> bool:
        with self._lock:
            if digest not in self._right:
                return False
            self._right.move_to_end(digest)
            return True

    def _remember(self, digest: bytes) -> None:
        with self._lock:
            self._right[digest] = None
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
