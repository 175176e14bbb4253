"""Where syncthing listens."""

from dataclasses import replace
from pathlib import Path

import pytest

from manager.services.syncthing_config import options_patch
from manager.settings_file import load_settings

EXAMPLE = Path(__file__).parents[4] / "docs" / "reference" / "manager.example.yaml"


@pytest.mark.parametrize(
    ("address", "listener"),
    [
        ("10.0.0.31", "tcp://10.0.0.31:22000"),
        ("fd00::31", "tcp://[fd00::31]:22000"),
        ("manager-1.example.test", "tcp://:22000"),
    ],
)
def test_a_manager_listens_on_its_address_and_by_a_name_on_all(address, listener):
    """Debian's hosts file may lead a host's own name to loopback."""
    settings = load_settings(EXAMPLE)
    settings = replace(settings, manager=replace(settings.manager, private_ip=address))

    assert options_patch(settings)["listenAddresses"] == [listener]
