"""Secret values: generated with the system's randomness, masked wherever they are shown."""

import base64
import hashlib
import hmac
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_SCRAM_ITERATIONS = 4096  # PostgreSQL's scram_iterations default


class Secret:
    """A string that shows itself only through `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself; for stdin and for files of final mode only."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(********)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


def generate_password(length: int = 32) -> Secret:
    """Return a random password of letters and digits (5.95 bits each)."""
    return Secret("".join(secrets.choice(_ALPHABET) for _ in range(length)))


def scram_verifier(password: Secret, salt: bytes) -> str:
    """Return what PostgreSQL stores for a SCRAM-SHA-256 password.

    A node that holds the verifier can check the password but cannot log in with it.
    Source: RFC 5803; PostgreSQL, "pg_authid".
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), salt, _SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
