"""How long `validate` takes, the whole process from start to exit."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_S = 0.5
MOST_RUNS = 20


def run_s():
    command = [sys.executable, "-m", "installer", "validate", "-i", "inventories/ten-nodes.yaml"]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def test_ten_nodes_are_validated_within_half_a_second(record_property):
    """One run within the limit is enough: what else the machine does is not the command's time."""
    best_s = run_s()
    for _ in range(MOST_RUNS - 1):
        if best_s <= LIMIT_S:
            break
        best_s = min(best_s, run_s())

    record_property("validate_s", round(best_s, 3))
    assert best_s <= LIMIT_S
