"""Seal values that the database must not hold in the clear."""

import base64
import hashlib
from typing import TYPE_CHECKING

from manager.errors import ManagerError
from manager.settings import SecuritySettings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


class Sealer:
    """Seal strings with the cluster's encryption key; open those of old keys as well.

    Old keys count while the cluster's key is being changed: a manager that seals with the old
    one still and a manager that has the new one already read each other's values.
    """

    def __init__(self, encryption_key: str, old_keys: tuple[str, ...] = ()) -> None:
        from cryptography.fernet import MultiFernet  # OpenSSL: a tenth of a second to load

        self._current = _fernet(encryption_key)
        self._accepted = MultiFernet([self._current, *map(_fernet, old_keys)])

    @classmethod
    def of(cls, security: SecuritySettings) -> "Sealer":
        """Return the sealer of the keys in manager.yaml."""
        return cls(security.encryption_key, security.old_encryption_keys)

    def seal(self, value: str) -> str:
        """Return `value` encrypted and authenticated."""
        return self._current.encrypt(value.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return what was sealed; raises ManagerError when another key did it."""
        from cryptography.fernet import InvalidToken

        try:
            return self._accepted.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise ManagerError(
                "a stored secret was sealed with another key than security.encryption_key"
            ) from error

    def is_current(self, sealed: str) -> bool:
        """Tell whether the current key opens it."""
        from cryptography.fernet import InvalidToken

        try:
            self._current.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True


def _fernet(encryption_key: str) -> "Fernet":
    from cryptography.fernet import Fernet

    digest = hashlib.sha256(encryption_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
