"""What is written about checks agrees with them."""

import re
from pathlib import Path

import pytest

from installer.catalogue import entry
from installer.preflight.checks import CHECKS, CODES

ROOT = Path(__file__).parents[4]
HOW_TO = (ROOT / "docs" / "howto" / "preflight.md").read_text()


def test_the_how_to_lists_every_check_and_what_it_sees_to():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", HOW_TO.partition("## All checks")[2], re.M)

    assert rows == [
        ("node-unreachable", "the node is reached as root"),
        *((check.code, check.title) for check in CHECKS),
    ]


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_check_is_explained(code):
    assert entry(code).family == "preflight"


def test_a_check_has_a_name_of_its_own():
    assert len({check.code for check in CHECKS}) == len(CHECKS)
