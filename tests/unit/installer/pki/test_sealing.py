"""Sealed bytes open with their passphrase only, and only as they were sealed."""

import pytest

from installer.pki.sealing import SealBroken, seal, unseal
from installer.secrets import Secret

PASSPHRASE = Secret("correct horse battery staple")


def test_what_was_sealed_comes_back():
    sealed = seal(b"the encryption key", PASSPHRASE)

    assert b"encryption" not in sealed
    assert unseal(sealed, PASSPHRASE) == b"the encryption key"


def test_two_seals_of_the_same_differ():
    assert seal(b"x", PASSPHRASE) != seal(b"x", PASSPHRASE)


@pytest.mark.parametrize("position", [0, 15, 40, -1])
def test_a_changed_byte_is_noticed(position):
    sealed = bytearray(seal(b"the encryption key", PASSPHRASE))
    sealed[position] ^= 1

    with pytest.raises(SealBroken):
        unseal(bytes(sealed), PASSPHRASE)


@pytest.mark.parametrize("length", [0, 5, 20, 45])
def test_a_cut_seal_is_noticed(length):
    with pytest.raises(SealBroken):
        unseal(seal(b"the encryption key", PASSPHRASE)[:length], PASSPHRASE)


def test_another_passphrase_opens_nothing():
    with pytest.raises(SealBroken):
        unseal(seal(b"x", PASSPHRASE), Secret("another"))
