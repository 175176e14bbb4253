"""Measures of uploads, deployments and workflows."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.benchmarks.runtime.bench import Bench
from tests.benchmarks.runtime.blueprints import write_graph, write_scripts
from tests.journeys.operator import BLUEPRINTS, unique

_REPEATS = 5
_FEW_REPEATS = 3
_AT_ONCE = 20
_SCRIPTED_NODES = 10


def script_operations(bench: Bench) -> float:
    """Return script operations per second of s10's install."""
    blueprint = bench.upload(write_scripts(bench.folder / "scripts", _SCRIPTED_NODES))
    took = _median_install(bench, blueprint, _FEW_REPEATS)
    return 2 * _SCRIPTED_NODES / took


def small_install(bench: Bench) -> float:
    """Return the seconds of h2's install workflow."""
    blueprint = bench.upload(BLUEPRINTS / "hello" / "blueprint.yaml")
    return _median_install(bench, blueprint, _REPEATS)


def client_install(bench: Bench) -> float:
    """Return the seconds of `cfy install` of h2, the client's own start included."""
    cfy = bench.runtime.cfy()
    path = BLUEPRINTS / "hello" / "blueprint.yaml"

    def install() -> None:
        done = cfy.start_alone("install", path, "-b", unique("client"))
        assert done.returncode == 0, done.stdout + done.stderr

    return _median(bench, install, _FEW_REPEATS)


def graph_install(bench: Bench) -> float:
    """Return the seconds of g100's install workflow."""
    blueprint = bench.upload(write_graph(bench.folder / "g100", 100))
    return _median_install(bench, blueprint, _FEW_REPEATS)


def graph_create(bench: Bench) -> float:
    """Return the seconds that a deployment of g100 takes to be made."""
    blueprint = bench.upload(write_graph(bench.folder / "g100", 100))
    return _median(bench, lambda: bench.create(blueprint), _REPEATS)


def graph_upload(bench: Bench) -> float:
    """Return the seconds of g300's upload."""
    path: Path = write_graph(bench.folder / "g300", 300)
    return _median(bench, lambda: bench.upload(path), _FEW_REPEATS)


def installs_at_once(bench: Bench) -> float:
    """Return the seconds of twenty installs of h2 that are asked for at once."""
    blueprint = bench.upload(BLUEPRINTS / "hello" / "blueprint.yaml")
    deployments = [bench.begin_create(blueprint) for _ in range(_AT_ONCE)]
    bench.wait_for_workflows(deployments)
    with bench.span() as span:
        begun = [bench.begin(deployment, "install") for deployment in deployments]
        bench.wait("executions", *begun)
    return span.wall_s


def creates_at_once(bench: Bench) -> float:
    """Return the seconds of twenty deployments of h2 that are asked for at once."""
    blueprint = bench.upload(BLUEPRINTS / "hello" / "blueprint.yaml")
    with bench.span() as span:
        bench.wait_for_workflows([bench.begin_create(blueprint) for _ in range(_AT_ONCE)])
    return span.wall_s


def _median_install(bench: Bench, blueprint: str, repeats: int) -> float:
    deployments = iter([bench.create(blueprint) for _ in range(repeats)])
    return _median(bench, lambda: bench.execute(next(deployments), "install"), repeats)


def _median(bench: Bench, work: Callable[[], object], repeats: int) -> float:
    took = []
    for _ in range(repeats):
        with bench.span() as span:
            work()
        took.append(span.wall_s)
        time.sleep(0.2)  # what one run left behind is not the next one's
    return median(took)
