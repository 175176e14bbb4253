"""Signatures: what a known cause looks like in a journal, on the host, or in a last word."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from installer.catalogue import family_data

FAMILY = "signatures"
ANY, HOST, SAID = "any", "host", "said"  # sources that are no unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One pattern that tells a cause.

    `source` is the unit whose journal has it, without `.service`; `host` for what the node's own
    probes say, `said` for what a gate or step said last, `any` for each of them.
    """

    code: str
    source: str
    pattern: str  # of Python's re, searched in single lines
    follows: bool = False  # from something else, so it explains only where no cause is seen
    ends_wait: bool = False  # waiting cannot cure it: a gate gives up once it is seen to last


@cache
def all_signs() -> tuple[Sign, ...]:
    """Return every sign; causes stand before what follows from them."""
    return tuple(
        Sign(
            code=code,
            source=source,
            pattern=pattern,
            follows=bool(keys.get("follows")),
            ends_wait=bool(keys.get("ends_wait")),
        )
        for code, keys in family_data(FAMILY).items()
        for source, patterns in keys["signs"].items()
        for pattern in patterns
    )


def causes_in(words: str) -> set[str]:
    """Return the codes of what a gate's or step's own words name as the cause."""
    signs = [sign for sign in all_signs() if sign.source in (SAID, ANY) and not sign.follows]
    lines = words.splitlines()
    return {s.code for s in signs if any(re.search(s.pattern, line) for line in lines)}


def is_consequence(code: str) -> bool:
    """Tell whether a code only follows from something else."""
    return bool(family_data(FAMILY)[code].get("follows"))


def first_cause(codes: Iterable[str]) -> str | None:
    """Return the code that stands first in the file: it explains the others."""
    found = set(codes)
    return next((code for code in family_data(FAMILY) if code in found), None)
