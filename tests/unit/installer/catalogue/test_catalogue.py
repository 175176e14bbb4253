"""Every code has one entry that helps, and every entry is the code of something."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import installer
from installer.catalogue import entries, entry, families, family_data, near_codes

CODE = Path(installer.__file__).parent
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# `signs`, `ends_wait`: only of signatures; `waivable`: of rules, see installer/config/waivers.py
KEYS = {"title", "cause", "evidence", "next", "see", "signs", "ends_wait", "follows", "waivable"}
ALL = {found.code: found for found in entries()}


def syntax_trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(CODE.rglob("*.py")):
        yield str(path.relative_to(CODE)), ast.parse(path.read_text())


def codes_given() -> Iterator[tuple[str, str]]:
    """Yield file and code of each `code="…"` and of each finding's fourth value."""
    for name, tree in syntax_trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            values = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            if isinstance(node.func, ast.Name) and node.func.id in ("Finding", "warning"):
                values += node.args[3:4]
            for value in values:
                assert not isinstance(value, ast.JoinedStr), f"{name}: a code made of parts"
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield name, value.value


def words_in_the_code() -> set[str]:
    return {
        node.value
        for _, tree in syntax_trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_code_that_a_problem_carries_has_an_entry():
    lacking = {(name, code) for name, code in codes_given() if code and code not in ALL}

    assert lacking == set()


def test_no_entry_is_without_a_use():
    """A signature is its own use; all other codes stand as a word in the code."""
    used = words_in_the_code() | set(
        family_data("signatures") if "signatures" in families() else ()
    )

    assert sorted(set(ALL) - used) == []


def test_a_code_is_unique_over_all_families():
    counts = Counter(code for family in families() for code in family_data(family))

    assert [code for code, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("code", ALL)
def test_an_entry_helps(code):
    found = ALL[code]
    keys = family_data(found.family)[code]

    assert KEBAB.fullmatch(code), "a code is kebab-case words"
    assert set(keys) <= KEYS
    assert found.next, "say what to do"
    assert all(text.strip() for text in (found.title, found.cause, found.evidence, *found.next))
    assert not found.title.endswith(".")
    assert found.cause.endswith((".", "?"))


def test_a_code_with_typing_errors_finds_its_neighbours():
    for code in ALL:
        assert code in near_codes(f"[{code.upper().replace('-', '_')}]")


def test_an_unknown_code_is_a_key_error():
    with pytest.raises(KeyError):
        entry("no-such-code")


def test_help_and_validate_do_not_read_the_catalogue():
    """Reading takes milliseconds that these commands have not."""
    program = "import installer.cli.validate, sys; print('installer.catalogue' in sys.modules)"

    said = subprocess.check_output([sys.executable, "-c", program], text=True)

    assert said.strip() == "False"
