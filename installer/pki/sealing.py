"""Seal bytes with a passphrase: nobody reads or changes them without it."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from installer.secrets import Secret

_MARK = b"cfy-sealed-1\n"
_SALT, _NONCE, _KEY = 16, 12, 32
_COST = 2**15  # 32 MiB and a tenth of a second for each guess


class SealBroken(Exception):
    """The passphrase is another, or the bytes are not as they were sealed."""


def seal(content: bytes, passphrase: Secret) -> bytes:
    """Return the content sealed: AES-256-GCM, its key by scrypt."""
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    return _MARK + salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, content, _MARK)


def unseal(sealed: bytes, passphrase: Secret) -> bytes:
    """Return what was sealed; raises SealBroken."""
    if not sealed.startswith(_MARK):
        raise SealBroken
    body = sealed[len(_MARK) :]
    salt, nonce, content = body[:_SALT], body[_SALT : _SALT + _NONCE], body[_SALT + _NONCE :]
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, content, _MARK)
    except (InvalidTag, ValueError) as error:
        raise SealBroken from error


def _key(passphrase: Secret, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY, n=_COST, r=8, p=1).derive(passphrase.reveal().encode())
