"""The journeys of `tests/journeys/installing.py` on a manager on loopback."""

import pytest

from tests.journeys.installing import *  # noqa: F403 - its tests and their fixtures

pytestmark = pytest.mark.integration
