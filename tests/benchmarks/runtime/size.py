"""Measures of start-up and memory."""

from statistics import median

from tests.benchmarks.runtime import load, workflows
from tests.benchmarks.runtime.bench import Bench

_REPEATS = 3


def rest_start(bench: Bench) -> float:
    """Return the seconds from the start of the REST service to its first 200."""
    return median([_restart_rest(bench) for _ in range(_REPEATS)])


def worker_start(bench: Bench) -> float:
    """Return the seconds from the start of the worker until it consumes its queue."""
    return median([_restart_worker(bench) for _ in range(_REPEATS)])


def _restart_rest(bench: Bench) -> float:
    bench.runtime.rest.stop()
    return bench.runtime.start_rest()


def _restart_worker(bench: Bench) -> float:
    bench.runtime.worker.stop()
    return bench.runtime.start_worker()


def memory(bench: Bench) -> float:
    """Return the MiB (PSS) of REST service and worker together, as they are now."""
    weights = bench.runtime.weights()
    return weights["rest"].pss_mib + weights["worker"].pss_mib


def growth(bench: Bench) -> float:
    """Return the memory after a load that came three times by that after the first time."""
    sizes = [_memory_after_load(bench) for _ in range(_REPEATS)]
    return sizes[-1] / sizes[0]


def _memory_after_load(bench: Bench) -> float:
    workflows.installs_at_once(bench)
    load.everything(bench)
    return memory(bench)
