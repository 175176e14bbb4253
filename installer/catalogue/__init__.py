"""The error catalogue: what each code means, what proves it, and the commands that come next.

One YAML file per family of findings, `code → title, cause, evidence, next, see`. A file is read
when a code of it is asked for, never before: `-h` and `validate` do not pay for it.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_NEAR = 0.6  # of difflib's ratio: two letters exchanged stay above it, other words below
_MOST_NEAR = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a person needs to know of one code."""

    code: str
    family: str  # the file that it stands in
    title: str
    cause: str
    evidence: str  # what to look at to be sure
    next: tuple[str, ...]  # commands, or sentences that begin with a capital letter
    see: tuple[str, ...] = ()  # sources

    def as_json(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {
            "code": self.code,
            "family": self.family,
            "title": self.title,
            "cause": self.cause,
            "evidence": self.evidence,
            "next": list(self.next),
            "see": list(self.see),
        }


def families() -> tuple[str, ...]:
    """Return the names of all families, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def family_data(family: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the file of one family as it stands: code → its keys."""
    import yaml  # reading takes as long as all the rest of `-h`

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (FOLDER / f"{family}.yaml").read_text(encoding="utf-8")
    data: Mapping[str, Mapping[str, Any]] = yaml.load(text, Loader=loader) or {}  # noqa: S506 - safe
    return data


def entries() -> Iterator[Entry]:
    """Yield every entry, family by family, codes in the order of their file."""
    for family in families():
        for code, keys in family_data(family).items():
            yield _entry(family, code, keys)


def entry(code: str) -> Entry:
    """Return the entry of a code; raises KeyError when there is none."""
    for family in families():
        if keys := family_data(family).get(code):
            return _entry(family, code, keys)
    raise KeyError(code)


def near_codes(word: str) -> tuple[str, ...]:
    """Return the codes that someone who typed `word` may have meant, best first."""
    codes = [found.code for found in entries()]
    wanted = word.strip().strip("[]").lower().replace("_", "-")
    containing = [code for code in codes if wanted and wanted in code]
    alike = difflib.get_close_matches(wanted, codes, n=_MOST_NEAR, cutoff=_NEAR)
    return tuple(dict.fromkeys(alike + containing))[:_MOST_NEAR]


def _entry(family: str, code: str, keys: Mapping[str, Any]) -> Entry:
    return Entry(
        code=code,
        family=family,
        title=keys["title"],
        cause=_one_line(keys["cause"]),
        evidence=_one_line(keys["evidence"]),
        next=_words(keys["next"]),
        see=_words(keys.get("see", ())),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
