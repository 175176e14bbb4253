"""Make the CA of a store: its name, and the key that a killed run left behind."""

import secrets
from pathlib import Path

from installer.pki.authority import KeyPair, KeyType, create_authority
from installer.pki.pairs import PairFolder

_LONGEST = 48  # with the word and the random part within X.509's 64


def new_ca(files: PairFolder, stem: str, key_type: KeyType) -> KeyPair:
    """Return a new CA; the key of a run that was killed before its certificate came is used."""
    key = files.path(f"{stem}.key")
    return create_authority(
        _name(key.parent),
        key_type=key_type,
        key_pem=key.read_bytes() if key.exists() else None,
    )


def _name(folder: Path) -> str:
    """Return a name that no other CA has: verifiers look for issuers by their names."""
    return f"{folder.resolve().name[:_LONGEST]} CA {secrets.token_hex(4)}"
