"""manager.yaml says what the runtime must know, and of a key change only while there is one."""

import yaml

from installer.roles.manager.runtime_config import runtime_config


def test_keys_that_still_open_stored_secrets_are_listed(manager):
    settings = manager(flask_security={"old_encryption_keys": ["d" * 64]})

    security = yaml.safe_load(runtime_config(settings))["security"]

    assert security["old_encryption_keys"] == ["d" * 64]
    assert security["encryption_key"] == "c" * 64


def test_without_a_key_change_nothing_is_said_of_old_keys(manager):
    assert b"old_encryption_keys" not in runtime_config(manager())
