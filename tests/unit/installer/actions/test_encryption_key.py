"""The key changes in steps; a change that is killed anywhere is finished by the next call."""

import base64
from dataclasses import dataclass, field

import pytest

from installer.actions.encryption_key import KeyHolders, change_encryption_key
from installer.cluster_secrets import ensure_secrets, load_secrets

SPARE = ("next_encryption_key", "previous_encryption_key", "retired_encryption_key")


class Killed(Exception):
    pass


@dataclass
class World:
    """Two managers and what they stored, as one key or the other sealed it."""

    path: object
    sealed_with: str
    accepted: list[set[str]] = field(default_factory=list)  # of each manager
    kill_at: int = -1  # before this many-th act
    acts: int = 0

    def act(self):
        if self.acts == self.kill_at:
            self.kill_at = -1
            raise Killed
        self.acts += 1

    def keys(self):
        known = {name: secret.reveal() for name, secret in load_secrets(self.path).items()}
        further = [known[name] for name in SPARE[:2] if name in known]
        return known["encryption_key"], {known["encryption_key"], *further}

    def converge(self, _title):
        for number in range(len(self.accepted)):  # one after the other
            self.act()
            self.accepted[number] = self.keys()[1]
            assert all(self.sealed_with in keys for keys in self.accepted)

    def reseal(self):
        self.act()
        current = self.keys()[0]
        assert all(current in keys for keys in self.accepted)
        changed = self.sealed_with != current
        self.sealed_with = current
        return 5 if changed else 0

    def change(self):
        return change_encryption_key(
            KeyHolders(secrets_path=self.path, converge=self.converge, reseal=self.reseal)
        )


@pytest.fixture
def world(tmp_path):
    path = tmp_path / "secrets.yaml"
    key = ensure_secrets(path)["encryption_key"].reveal()
    return World(path, key, [{key}, {key}])


def test_at_the_end_only_the_new_key_opens_what_is_stored(world):
    old = world.sealed_with

    changed = world.change()

    assert (changed.values, changed.was_resumed) == (5, False)
    assert world.sealed_with != old
    assert world.accepted == [{world.sealed_with}] * 2
    assert not load_secrets(world.path).keys() & set(SPARE)
    assert len(base64.urlsafe_b64decode(world.sealed_with)) == 64


@pytest.mark.parametrize("kill_at", range(8))
def test_killed_anywhere_the_next_call_finishes_the_same_change(world, kill_at):
    """World asserts at each act that every manager can read what is stored."""
    old, world.kill_at = world.sealed_with, kill_at
    with pytest.raises(Killed):
        world.change()
    begun = {old, *world.keys()[1]}

    changed = world.change()

    assert changed.was_resumed
    assert world.sealed_with in begun - {old}
    assert world.accepted == [{world.sealed_with}] * 2
    assert not load_secrets(world.path).keys() & set(SPARE)


def test_the_other_secrets_and_the_comments_stay(world):
    before, text = load_secrets(world.path), world.path.read_text()

    world.change()

    after = load_secrets(world.path)
    assert {name for name in before if before[name] != after[name]} == {"encryption_key"}
    assert world.path.read_text().splitlines()[:2] == text.splitlines()[:2]
    assert world.path.stat().st_mode & 0o777 == 0o600
