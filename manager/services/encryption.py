"""Seal values that the database must not hold in the clear."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from manager.errors import ManagerError


class Sealer:
    """Seal and open strings with the cluster's encryption key."""

    def __init__(self, encryption_key: str) -> None:
        digest = hashlib.sha256(encryption_key.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))

    def seal(self, value: str) -> str:
        """Return `value` encrypted and authenticated."""
        return self._fernet.encrypt(value.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return what was sealed; raises ManagerError when another key did it."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise ManagerError(
                "a stored secret was sealed with another key than security.encryption_key"
            ) from error
