"""The times that the installer's forecast takes for the managers' are the managers'."""

from installer.foresight.timings import ClientTimes
from manager.broker import connection, publish
from manager.storage import database


def test_the_forecast_counts_with_the_managers_own_times():
    expected = ClientTimes(
        database_connect_s=database._CONNECT_TIMEOUT_S,
        database_silence_s=database._SILENCE_MS / 1000,
        broker_heartbeat_s=connection.HEARTBEAT_S,
        broker_connect_s=connection._ATTEMPT_TIMEOUT_S,
        broker_retry_s=connection._LONGEST_DELAY_S,
        confirm_s=publish._CONFIRM_TIMEOUT_S,
    )

    assert ClientTimes() == expected
