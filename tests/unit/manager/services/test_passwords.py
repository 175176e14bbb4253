"""Passwords: right ones are cheap the second time, and only those."""

import pytest

from manager.services import passwords
from manager.services.passwords import PasswordChecker, hash_password


@pytest.fixture
def verified(monkeypatch):
    """Return the list of passwords that argon2 had to verify."""
    seen = []
    original = PasswordChecker._verify

    def count(self, password, stored_hash):
        seen.append(password)
        return original(self, password, stored_hash)

    monkeypatch.setattr(PasswordChecker, "_verify", count)
    return seen


def test_the_right_password_is_right_and_others_are_not():
    checker, stored = PasswordChecker(), hash_password("right")

    assert checker.is_right("right", stored)
    assert not checker.is_right("wrong", stored)


def test_a_password_is_stored_as_argon2id_with_its_own_salt():
    first, second = hash_password("same"), hash_password("same")

    assert first.startswith("$argon2id$")
    assert first != second


def test_a_right_password_is_verified_once(verified):
    checker, stored = PasswordChecker(), hash_password("right")

    assert all(checker.is_right("right", stored) for _ in range(5))

    assert verified == ["right"]


def test_a_wrong_password_is_verified_each_time(verified):
    checker, stored = PasswordChecker(), hash_password("right")

    assert not any(checker.is_right("wrong", stored) for _ in range(3))

    assert len(verified) == 3


def test_a_changed_password_makes_the_old_one_wrong_at_once():
    checker = PasswordChecker()
    assert checker.is_right("old", hash_password("old"))

    assert not checker.is_right("old", hash_password("new"))


def test_an_unknown_user_costs_as_much_as_a_known_one(verified):
    """Otherwise the time of the answer would tell which users exist."""
    assert not PasswordChecker().is_right("any", None)

    assert verified == ["any"]


def test_a_hash_of_another_kind_is_never_right():
    assert not PasswordChecker().is_right("any", "$2b$12$unknown")


def test_the_memory_for_passwords_is_bounded(monkeypatch):
    monkeypatch.setattr(passwords, "_REMEMBERED", 2)
    checker = PasswordChecker()
    monkeypatch.setattr(checker, "_verify", lambda _password, _stored: True)

    for number in range(10):
        checker.is_right("right", f"hash {number}")

    assert len(checker._right) == 2


def test_no_password_is_kept_in_the_clear():
    checker, stored = PasswordChecker(), hash_password("right")
    checker.is_right("right", stored)

    assert not any(b"right" in digest for digest in checker._right)
