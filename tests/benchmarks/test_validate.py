"""How long `validate` takes, the whole process from start to exit."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LIMIT_S = 0.5
RUNS = 5


class Times(NamedTuple):
    """Seconds of one run: on a clock, and on a processor."""

    wall: float
    processor: float


def processor_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run():
    command = [sys.executable, "-m", "installer", "validate", "-i", "inventories/ten-nodes.yaml"]
    wall, processor = time.perf_counter(), processor_s()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return Times(time.perf_counter() - wall, processor_s() - processor)


def test_ten_nodes_are_validated_within_half_a_second(record_property):
    """The clock counts on a machine that has nothing else to do, the processor always."""
    runs = [run() for _ in range(RUNS)]
    best = Times(min(run.wall for run in runs), min(run.processor for run in runs))
    is_busy = os.getloadavg()[0] > (os.cpu_count() or 1)

    record_property("validate_wall_s", round(best.wall, 3))
    record_property("validate_processor_s", round(best.processor, 3))
    assert best.processor <= LIMIT_S
    assert is_busy or best.wall <= LIMIT_S
