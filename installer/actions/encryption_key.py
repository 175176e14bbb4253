"""Change the key that the managers seal stored secrets with, while every one of them can read them.

Where the change is, the secrets file tells, and nothing else: `next_encryption_key` is there until
every manager accepts the new key, `previous_encryption_key` until no value needs the old one,
`retired_encryption_key` until no manager knows it any more. So a killed change is taken up where it
was, and a `cluster install` in its middle disturbs nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from installer.cluster_secrets import (
    NEXT_KEY,
    PREVIOUS_KEY,
    RETIRED_KEY,
    change_secrets,
    load_secrets,
    new_encryption_key,
)
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem
from installer.roles.manager.bootstrap import RUNTIME

_KEY = "encryption_key"
_SEAL_S = 600  # a row takes a tenth of a millisecond
_MOST_ROUNDS = 10  # a second one finds what was stored meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolders:
    """The managers that share a key."""

    secrets_path: Path
    converge: Callable[[str], object]  # bring each to what the file says; takes the run's title
    reseal: Callable[[], int]  # on one of them; returns how many values were sealed anew


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanged:
    """What a change of the key did."""

    values: int
    was_resumed: bool


def change_encryption_key(holders: KeyHolders) -> KeyChanged:
    """Give the managers another key, or finish the change that was begun."""
    path = holders.secrets_path
    known = load_secrets(path)
    was_resumed = bool(known.keys() & {NEXT_KEY, PREVIOUS_KEY, RETIRED_KEY})
    if not was_resumed:
        change_secrets(path, {NEXT_KEY: new_encryption_key()})
    if NEXT_KEY in load_secrets(path):
        holders.converge("1 of 3: every manager accepts the new key")
        known = load_secrets(path)
        change_secrets(path, {_KEY: known[NEXT_KEY], PREVIOUS_KEY: known[_KEY], NEXT_KEY: None})
    values = 0
    if PREVIOUS_KEY in load_secrets(path):
        holders.converge("2 of 3: every manager seals with the new key")
        values = _reseal_all(holders.reseal)
        change_secrets(path, {RETIRED_KEY: load_secrets(path)[PREVIOUS_KEY], PREVIOUS_KEY: None})
    holders.converge("3 of 3: no manager knows the old key")
    change_secrets(path, {RETIRED_KEY: None})
    return KeyChanged(values=values, was_resumed=was_resumed)


def reseal_on(session: Session) -> int:
    """Let a manager seal anew what an old key sealed; return how many values. One command."""
    done = session.run(f"cd /\nexec {RUNTIME} update-encryption-key\n", timeout_s=_SEAL_S)
    told = re.match(r"(\d+) values", done.stdout)
    if done.code != 0 or told is None:
        raise PhaseFailed(
            Problem(
                where=session.name,
                what=f"the stored secrets keep their old key: {done.stderr.strip()[-500:]}",
                remedy="mend what it tells and run the same command again; nothing is lost",
            )
        )
    return int(told[1])


def _reseal_all(reseal: Callable[[], int]) -> int:
    """Seal until nothing is left of the old key; return how many values there were."""
    values = 0
    for _ in range(_MOST_ROUNDS):
        changed = reseal()
        if not changed:
            return values
        values += changed
    raise PhaseFailed(
        Problem(
            where="update-encryption-key",
            what=f"values with the old key kept coming: {values} so far",
            remedy="run `cluster install`: a manager did not take the new key; then run this again",
        )
    )
