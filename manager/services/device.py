"""Syncthing's device ID: a digest of the certificate that a device shows."""

import base64
import hashlib
import ssl
from pathlib import Path

from manager.settings import Settings

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_GROUP = 13  # base32 characters that share a check character
_SHOWN = 7  # characters between dashes


def own_device_id(settings: Settings) -> str | None:
    """Return this manager's device ID, or None when files are not replicated."""
    if not settings.file_sync.enabled:
        return None
    return device_id(settings.file_sync.home / "cert.pem")


def device_id(certificate_path: Path) -> str:
    """Return the ID of the device whose certificate is at `certificate_path`.

    Source: Syncthing, "Understanding Device IDs": SHA-256 of the DER form, in base32, with a Luhn
    mod 32 check character after each 13 characters, in groups of seven.
    """
    first, *_ = certificate_path.read_text().split("-----END CERTIFICATE-----")
    body = first[first.index("-----BEGIN CERTIFICATE-----") :]
    der = ssl.PEM_cert_to_DER_cert(body + "-----END CERTIFICATE-----\n")
    digits = base64.b32encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    groups = [digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP)]
    checked = "".join(group + _check_character(group) for group in groups)
    return "-".join(checked[start : start + _SHOWN] for start in range(0, len(checked), _SHOWN))


def _check_character(group: str) -> str:
    total = 0
    for position, character in enumerate(group):
        addend = _ALPHABET.index(character) * (1 + position % 2)
        total += addend // len(_ALPHABET) + addend % len(_ALPHABET)
    return _ALPHABET[-total % len(_ALPHABET)]
