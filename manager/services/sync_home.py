"""Syncthing's home before its first start: configuration and API key, without any database."""

import os
import secrets
from pathlib import Path

from manager.services.device import own_device_id
from manager.services.syncthing_config import initial_config
from manager.settings import Settings


def prepare_home(settings: Settings) -> None:
    """Write syncthing's first configuration and its API key, unless they are there.

    With syncthing's own first configuration it would announce itself to the world.
    """
    sync = settings.file_sync
    if not sync.api_key_path.exists():
        _write_secret(sync.api_key_path, secrets.token_hex(24))
    config_path = sync.home / "config.xml"
    if not config_path.exists():
        api_key = sync.api_key_path.read_text().strip()
        _write_secret(config_path, initial_config(settings, own_device_id(settings) or "", api_key))


def _write_secret(path: Path, text: str) -> None:
    """Write a file that is complete or absent, and its owner's alone from the beginning."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
