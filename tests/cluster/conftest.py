"""Fixtures of the cluster tests: real hosts in a sandbox."""

from collections.abc import Iterator

import pytest

from tests.support.sandbox import Sandbox, sandbox_of, skip_where_impossible, take_down_orphans


@pytest.fixture(scope="session")
def machine() -> None:
    """Skip where no sandbox is possible; start from a machine without those of killed runs."""
    skip_where_impossible()
    take_down_orphans()


@pytest.fixture(scope="session")
def three_hosts(machine: None) -> Iterator[Sandbox]:
    """Three bare hosts, shared by the tests that leave them as they were."""
    with sandbox_of("bare", 3) as made:
        yield made
