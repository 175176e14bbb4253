"""Sealed values: open with the right key only."""

import pytest

from manager.errors import ManagerError
from manager.services.encryption import Sealer


def test_what_is_sealed_opens_again_and_is_not_readable():
    sealer = Sealer("key")
    sealed = sealer.seal("broker-password")

    assert sealer.open(sealed) == "broker-password"
    assert "broker-password" not in sealed


def test_the_same_value_is_never_sealed_alike():
    sealer = Sealer("key")

    assert sealer.seal("same") != sealer.seal("same")


def test_another_key_is_told_by_the_name_of_its_setting():
    with pytest.raises(ManagerError, match=r"security\.encryption_key"):
        Sealer("other").open(Sealer("key").seal("value"))
