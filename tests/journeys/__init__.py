"""What operators do with the genuine client: on loopback (tests/integration) and on a cluster."""

import pytest

pytest.register_assert_rewrite(
    "tests.journeys.administering", "tests.journeys.installing", "tests.journeys.modelling"
)
