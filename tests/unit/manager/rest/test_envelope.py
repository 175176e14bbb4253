"""Times in replies are what Cloudify's clients parse."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from manager.rest.envelope import timestamp

MADRID = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 1, 4, 5, tzinfo=MADRID), "2026-01-01T23:04:05.000Z"),
        (None, None),
    ],
)
def test_a_time_is_utc_with_milliseconds(moment, shown):
    assert timestamp(moment) == shown
