"""Whose claim may be taken over, and when."""

import pytest

from manager.worker.claims import Identity, Reference

ME = Identity("manager-1", "boot-2")


@pytest.mark.parametrize(
    ("owner", "idle_s", "free"),
    [
        (None, None, True),
        ("manager-1/boot-2", 1.0, True),
        ("manager-1/boot-1", 1.0, True),  # our forerunner: its tasks ended with it
        ("manager-2/boot-1", 1.0, False),
        ("manager-2/boot-1", 29.0, False),
        ("manager-2/boot-1", 31.0, True),
        ("manager-11/boot-1", 1.0, False),
    ],
)
def test_a_claim_is_respected_as_long_as_its_owner_lives(owner, idle_s, free):
    assert ME.may_take(owner, idle_s) is free


def test_each_process_has_a_name_of_its_own():
    assert Identity.of("manager-1").name != Identity.of("manager-1").name


def test_a_message_tells_which_execution_and_which_dispatch_of_it():
    context = {"execution_id": "x", "tenant": {"name": "t"}, "execution_token": "secret"}

    reference = Reference.of(context)

    assert (reference.execution_id, reference.tenant, reference.token) == ("x", "t", "secret")
