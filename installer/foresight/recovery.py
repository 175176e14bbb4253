"""Every loss that a cluster may suffer, with how long it lasts, and what of that is bad."""

from collections.abc import Iterator, Sequence

from installer.errors import Problem, Severity
from installer.foresight.database_forecast import database_forecasts
from installer.foresight.forecast import Forecast, Loss
from installer.foresight.service_forecast import (
    balancer_forecasts,
    broker_forecasts,
    manager_forecasts,
)
from installer.foresight.survival import Layout
from installer.foresight.timings import DatabaseTimes, Timings

_LONG_S = 90  # an outage that people notice and call about


def forecasts(timings: Timings, layout: Layout) -> tuple[Forecast, ...]:
    """Return a forecast for each loss, database first."""
    return tuple(_forecasts(timings, layout))


def _forecasts(timings: Timings, layout: Layout) -> Iterator[Forecast]:
    if timings.database:
        yield from database_forecasts(timings.database, len(layout.databases), timings.client)
    if timings.broker:
        yield from broker_forecasts(timings.broker, len(layout.queues), timings.client)
    yield from manager_forecasts(timings.balancer, len(layout.managers))
    if timings.balancer:
        yield from balancer_forecasts(timings.address)


def forecast_problems(timings: Timings, found: Sequence[Forecast]) -> Iterator[Problem]:
    """Yield a warning for each time that is bad, and for each loss that stays until repaired."""
    if timings.database:
        yield from _timing_problems(timings.database)
        has_replicas = any(forecast.loss is Loss.REPLICA for forecast in found)
        if timings.database.synchronous_mode == "off" and has_replicas:
            yield _warning(
                "synchronous_mode",
                "failover-loses-commits",
                "it is off: a failover may lose commits that were acknowledged",
                "set settings.postgresql_server.cluster.synchronous_mode to 'on'",
            )
    for forecast in found:
        if forecast.until_repaired and "majority" not in forecast.loss:
            yield _warning(
                forecast.loss,
                "single-point-of-failure",
                f"its loss stops {forecast.interrupts} until it is repaired",
                forecast.notes[-1] if forecast.notes else "give its role to more nodes",
            )
        elif forecast.longest_s > _LONG_S:
            yield _warning(
                forecast.loss,
                "long-outage",
                f"it may stop {forecast.interrupts} for {forecast.longest_s:.0f} s",
                "see what the time is made of: --explain; shorten the largest",
            )


def _timing_problems(times: DatabaseTimes) -> Iterator[Problem]:
    if 5 * times.heartbeat_s > times.election_s:
        yield _warning(
            "etcd",
            "etcd-timing",
            f"the election timeout of {times.election_s:g} s is less than five heartbeats",
            "set election-timeout to ten times heartbeat-interval",
        )


def _warning(where: str, code: str, what: str, remedy: str) -> Problem:
    return Problem(where=where, what=what, remedy=remedy, code=code, severity=Severity.WARNING)
