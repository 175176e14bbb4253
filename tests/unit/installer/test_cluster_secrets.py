"""Secrets of a cluster's file are changed one by one, and nothing else of it."""

import pytest

from installer.cluster_secrets import change_secrets, load_secrets
from installer.errors import ConfigError
from installer.secrets import Secret

TEXT = "# mine\nadmin_password: 'first-password'\nserver_password: other-password # said by them\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "secrets.yaml"
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("value", ["second-password", 'it\'s "quoted": # & %', "ünïcode-wörd"])
def test_a_value_is_replaced_whatever_its_characters(path, value):
    change_secrets(path, {"admin_password": Secret(value)})

    assert load_secrets(path)["admin_password"].reveal() == value
    assert "server_password: other-password # said by them\n" in path.read_text()
    assert path.read_text().startswith("# mine\n")


def test_none_takes_a_secret_out(path):
    change_secrets(path, {"server_password": None})

    assert set(load_secrets(path)) == {"admin_password"}


def test_a_value_over_several_lines_is_not_torn(path):
    text = "admin_password: >-\n  first\n  password\n"
    path.write_text(text)

    with pytest.raises(ConfigError, match="one line"):
        change_secrets(path, {"admin_password": Secret("second-password")})

    assert path.read_text() == text
