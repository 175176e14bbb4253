"""The form of tokens, and what of them is stored."""

import pytest

from manager.services.tokens import generate_token, parse_token


def test_a_generated_token_has_the_documented_form():
    value = generate_token()

    assert parse_token(str(value)) == value
    assert len(value.id) == 10
    assert len(value.secret) == 40


def test_tokens_are_not_predictable():
    assert len({generate_token().secret for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ctok-",
        "ctok-abcdefghij",
        "ctok-a-b",
        "tok-abcdefghij-" + "x" * 40,
        "ctok-abc def-" + "x",
    ],
)
def test_another_form_is_no_token(text):
    assert parse_token(text) is None


def test_only_the_right_secret_matches_the_stored_hash():
    value, other = generate_token(), generate_token()

    assert value.is_of(value.secret_hash)
    assert not other.is_of(value.secret_hash)
    assert value.secret not in value.secret_hash


def test_a_token_does_not_show_its_secret():
    value = generate_token()

    assert value.secret not in repr(value)
