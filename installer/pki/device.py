"""The name by which syncthing knows the holder of a certificate."""

import hashlib
from base64 import b32encode

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_GROUP, _CHUNK = 13, 7


def device_id(certificate_pem: bytes) -> str:
    """Return syncthing's device ID of the first certificate: eight groups of seven characters.

    Source: Syncthing, "Understanding Device IDs": the SHA-256 of the DER form in base32, in four
    parts of 13 characters, each followed by its check character.
    """
    der = x509.load_pem_x509_certificate(certificate_pem).public_bytes(Encoding.DER)
    digits = b32encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    parts = [digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP)]
    checked = "".join(part + _check_character(part) for part in parts)
    return "-".join(checked[start : start + _CHUNK] for start in range(0, len(checked), _CHUNK))


def _check_character(part: str) -> str:
    """Return the Luhn check character modulo 32, with factors from the left as syncthing has it."""
    total = 0
    for position, character in enumerate(part):
        product = _ALPHABET.index(character) * (1 + position % 2)
        total += product // len(_ALPHABET) + product % len(_ALPHABET)
    return _ALPHABET[-total % len(_ALPHABET)]
