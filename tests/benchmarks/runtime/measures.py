"""The table of measures: what, the original's figure, the budget, and how it is taken."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.runtime import load, size, workflows
from tests.benchmarks.runtime.bench import Bench


@dataclass(frozen=True)
class Measure:
    """A figure with its budget; without one it is only shown."""

    name: str
    what: str
    unit: str
    original: float  # the study of the original, on a machine of the same size
    budget: float | None
    take: Callable[[Bench], float]
    is_rate: bool = False  # more is better

    def is_met(self, value: float) -> bool | None:
        """Tell whether a figure keeps the budget; None where there is none."""
        if self.budget is None:
            return None
        return value >= self.budget if self.is_rate else value <= self.budget

    def gain(self, value: float) -> float:
        """Return how many times better than the original a figure is."""
        return value / self.original if self.is_rate else self.original / value


# in the order of a run: memory before and after the work, restarts last
MEASURES = (
    Measure("idle", "REST and worker idle, PSS", "MiB", 630, 500, size.memory),
    Measure("upload", "upload of 300 nodes", "s", 14, 4, workflows.graph_upload),
    Measure("create", "deployment of 100 nodes", "s", 2.42, 0.5, workflows.graph_create),
    Measure("graph", "install of 100 nodes", "s", 10.1, 2, workflows.graph_install),
    Measure("install", "install workflow, one script", "s", 2.44, 0.6, workflows.small_install),
    Measure("scripts", "script operations", "/s", 1.3, 15, workflows.script_operations, True),
    Measure("cfy", "cfy install end to end", "s", 8.5, 3, workflows.client_install),
    Measure("creates", "20 deployments at once", "s", 16.8, None, workflows.creates_at_once),
    Measure("installs", "20 installs at once", "s", 34.9, 6, workflows.installs_at_once),
    Measure("status", "GET status, 16 at a time", "/s", 18.2, 500, load.status_rate, True),
    Measure("events", "POST events, 16 at a time", "/s", 39.6, 1000, load.events_rate, True),
    Measure("basic", "basic login by token, per CPU s", "x", 0.52, 0.95, load.basic_by_token, True),
    Measure("list", "GET 1,000 deployments", "ms", 1677, 60, load.deployments_median),
    Measure("loaded", "REST and worker after load, PSS", "MiB", 1053, 500, size.memory),
    Measure("growth", "PSS after the same load again", "x", 1.67, 1.05, size.growth),
    Measure("start", "first 200 after start", "s", 6.4, 2, size.rest_start),
    Measure("worker", "worker consumes after start", "s", 1.2, None, size.worker_start),
)
