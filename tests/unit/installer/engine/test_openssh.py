"""What OpenSSH itself makes of the words of a login."""

import subprocess

import pytest

from installer.engine.openssh import login_words
from installer.engine.target import Target


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Return the settings of a login as OpenSSH understands them, by name in small letters."""
    ssh, *words = login_words(Target(name="db-1", address="10.0.0.11"), "-T")
    told = subprocess.check_output([ssh, "-G", *words], text=True)
    return dict(line.split(" ", 1) for line in told.splitlines() if " " in line)


def test_a_login_agrees_on_a_key_without_the_costly_one(settings):
    methods = settings["kexalgorithms"].split(",")

    assert "curve25519-sha256" in methods
    assert not [method for method in methods if "sntrup" in method]


def test_a_login_asks_nobody_and_trusts_no_unknown_host(settings):
    assert settings["batchmode"] == "yes"
    assert settings["stricthostkeychecking"] == "true"
    assert settings["connecttimeout"] == "2"
