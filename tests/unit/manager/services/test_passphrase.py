"""Texts under a passphrase: in the original's form, and opened by the right one only."""

import pytest

from manager.errors import BadParameters
from manager.services.passphrase import Passphrase

# Made by cloudify-common 7.0.5 with cryptography 43.0.1.
OF_THE_ORIGINAL = (
    "gAAAAABrAYiqnfEw2a225adTkXv9u_lUKGseKIywv5JNAjrhL3KzEEAkT0pXWJW3ZN2UiW3aHmRr2wRrRQzkc3fRtXIR"
    "_p1uAW-y7AvvqhOOoh7423oA6sQ="
)


def test_what_the_original_exported_opens():
    assert Passphrase("a-passphrase").open(OF_THE_ORIGINAL) == "value of the original"


@pytest.mark.parametrize("text", ["", "v", "ü" * 1000])
def test_what_is_sealed_opens_again(text):
    passphrase = Passphrase("a-passphrase")

    assert passphrase.open(passphrase.seal(text)) == text


@pytest.mark.parametrize(
    "sealed",
    [OF_THE_ORIGINAL, "", "gAAA", "no base64 at all", None, 5, OF_THE_ORIGINAL[:-8] + "AAAAAAA="],
)
def test_another_passphrase_or_form_is_refused(sealed):
    with pytest.raises(BadParameters):
        Passphrase("another").open(sealed)


def test_a_changed_text_is_refused():
    with pytest.raises(BadParameters):
        Passphrase("a-passphrase").open(OF_THE_ORIGINAL.replace("W3a", "W3b"))
