"""What is known of a cluster from its inventory alone: its nodes, its times, its forecasts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from installer.errors import Problem
from installer.expand.check import load_cluster
from installer.foresight.forecast import Forecast, Loss
from installer.foresight.recovery import forecast_problems, forecasts
from installer.foresight.survival import Layout, layout_of
from installer.foresight.timings import Timings, read_timings
from installer.inventory import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A cluster and what may happen to it."""

    inventory: Inventory
    timings: Timings
    layout: Layout
    forecasts: tuple[Forecast, ...]

    def forecast(self, loss: Loss) -> Forecast | None:
        """Return the forecast of a loss; None where the cluster cannot suffer it."""
        return next((forecast for forecast in self.forecasts if forecast.loss is loss), None)

    def problems(self) -> Iterator[Problem]:
        """Yield a warning for each time and each single node that is bad."""
        return forecast_problems(self.timings, self.forecasts)


def load_outlook(path: Path) -> Outlook:
    """Return the outlook of a cluster file; raises ConfigError with every problem of it."""
    return outlook_of(load_cluster(path))


def outlook_of(inventory: Inventory) -> Outlook:
    """Return the outlook of a valid inventory."""
    timings = read_timings(inventory)
    mode = timings.database.synchronous_mode if timings.database else "off"
    layout = layout_of(inventory, mode)
    return Outlook(
        inventory=inventory,
        timings=timings,
        layout=layout,
        forecasts=forecasts(timings, layout),
    )


def layout_now(inventory: Inventory) -> Layout:
    """Return the nodes of each role with the cluster's mode of replication."""
    return outlook_of(inventory).layout
