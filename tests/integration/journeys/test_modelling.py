"""The journeys of `tests/journeys/modelling.py` on a manager on loopback."""

import pytest

from tests.journeys.modelling import *  # noqa: F403 - its tests and their fixtures

pytestmark = pytest.mark.integration
