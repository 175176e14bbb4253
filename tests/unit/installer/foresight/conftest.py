"""The inventories that come with the project, as outlooks."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from installer.foresight.outlook import Outlook, load_outlook

INVENTORIES = Path(__file__).parents[4] / "inventories"


@cache
def _load(name: str) -> Outlook:
    return load_outlook(INVENTORIES / f"{name}.yaml")


@pytest.fixture(scope="session")
def outlook_named() -> Callable[[str], Outlook]:
    """Return the outlook of an inventory of the project."""
    return _load


@pytest.fixture(scope="session")
def ten() -> Outlook:
    return _load("ten-nodes")
