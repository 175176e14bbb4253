"""Seal what travels between managers under a passphrase, in the original's form.

The form is Fernet's with keys twice as long: AES-256-CBC and HMAC-SHA256. cloudify-common has it
as well, but the private parts of Fernet that it overrides changed in cryptography 44.
"""

import base64
import binascii
import os
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7

from manager.errors import BadParameters

_VERSION = b"\x80"
_SALT, _ITERATIONS = b"salt_", 100_000  # the original's, so that each opens the other's exports
_HEADER, _IV, _MAC = 9, 16, 32  # bytes: version and time, initialisation vector, signature


class Passphrase:
    """Seals and opens texts with a key derived from a passphrase."""

    def __init__(self, passphrase: str) -> None:
        derivation = PBKDF2HMAC(hashes.SHA256(), length=64, salt=_SALT, iterations=_ITERATIONS)
        key = derivation.derive(passphrase.encode())
        self._signing, self._encryption = key[:32], key[32:]

    def seal(self, text: str) -> str:
        """Return `text` encrypted and signed."""
        vector = os.urandom(_IV)
        padder = PKCS7(algorithms.AES.block_size).padder()
        padded = padder.update(text.encode()) + padder.finalize()
        encryptor = Cipher(algorithms.AES(self._encryption), modes.CBC(vector)).encryptor()
        hidden = encryptor.update(padded) + encryptor.finalize()
        signed = _VERSION + int(time.time()).to_bytes(8, "big") + vector + hidden
        return base64.urlsafe_b64encode(signed + self._mac(signed).finalize()).decode()

    def open(self, sealed: object) -> str:
        """Return what was sealed; raises BadParameters for another passphrase or form."""
        try:
            return self._open(base64.urlsafe_b64decode(str(sealed)))
        except (InvalidSignature, ValueError, binascii.Error) as error:
            raise BadParameters("The value cannot be opened with this passphrase") from error

    def _open(self, raw: bytes) -> str:
        signed, mac = raw[:-_MAC], raw[-_MAC:]
        if raw[:1] != _VERSION or len(signed) < _HEADER + _IV:
            raise ValueError
        self._mac(signed).verify(mac)
        vector, hidden = signed[_HEADER : _HEADER + _IV], signed[_HEADER + _IV :]
        decryptor = Cipher(algorithms.AES(self._encryption), modes.CBC(vector)).decryptor()
        unpadder = PKCS7(algorithms.AES.block_size).unpadder()
        padded = decryptor.update(hidden) + decryptor.finalize()
        return (unpadder.update(padded) + unpadder.finalize()).decode()

    def _mac(self, signed: bytes) -> HMAC:
        mac = HMAC(self._signing, hashes.SHA256())
        mac.update(signed)
        return mac
