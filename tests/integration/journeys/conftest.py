"""The journeys on a manager on loopback."""

import pytest

from tests.journeys.operator import Operator
from tests.support.runtime import Runtime, runtime

__all__ = ["operator", "runtime"]


@pytest.fixture(scope="session")
def operator(runtime: Runtime) -> Operator:
    """Return the administrator at the client."""
    return Operator(runtime.cfy())
