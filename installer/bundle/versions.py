"""Compare versions of Debian packages as dpkg does.

Source: Debian Policy Manual, 5.6.12 "Version".
"""

import re
from itertools import zip_longest

_PARTS = re.compile(r"(\D*)(\d*)")
_ALPHABET_END = 256  # letters come before everything else


def is_newer(one: str, other: str) -> bool:
    """Tell whether one version is newer than another."""
    return _key(one) > _key(other)


class _Words(tuple[tuple[tuple[int, ...], int], ...]):
    """The parts of an upstream version or a revision, in turn words and numbers."""

    def __gt__(self, other: object) -> bool:
        assert isinstance(other, _Words)  # noqa: S101 - only we make them
        nothing: tuple[tuple[int, ...], int] = ((0,), 0)
        for mine, its in zip_longest(self, other, fillvalue=nothing):
            if mine != its:
                return mine > its
        return False


def _key(version: str) -> tuple[int, _Words, _Words]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _words(upstream), _words(revision)


def _words(text: str) -> _Words:
    """Return the parts; each word ends with 0, so that only a tilde is less than its end."""
    found = (match.groups() for match in _PARTS.finditer(text) if match.group())
    return _Words(((*map(_order, word), 0), int(number or 0)) for word, number in found)


def _order(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) + (0 if character.isalpha() else _ALPHABET_END)
