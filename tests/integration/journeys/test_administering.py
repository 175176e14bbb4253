"""The journeys of `tests/journeys/administering.py` on a manager on loopback."""

import pytest

from tests.journeys.administering import *  # noqa: F403 - its tests and their fixtures

pytestmark = pytest.mark.integration
