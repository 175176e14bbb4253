"""Measure `cluster status` beside its floor: ten bare logins, all at once.

    python -m tests.benchmarks.status SANDBOX [--rounds 5]

SANDBOX names one that a cluster was rolled out to, for instance by `script/sandbox`. The floor is
what nobody can save who asks each node: one `ssh NODE true` for each, side by side. Both are told
as wall time and as processor time of this machine's side; the nodes' own comes on top in a sandbox,
as they share its processors. Then the same nodes are asked again over the lines that are open, as
`--watch` does. Exits 1 unless a look takes at most 1.5 s.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from installer.engine.target import Target, target_of
from installer.inventory import load_inventory
from installer.sandbox import record
from installer.status.collect import Watcher
from installer.status.judge import judge
from tests.support.cluster import TOOL

LIMIT_S = 1.5
_INSIDE = "CFY_BENCHMARK_INSIDE"


def main() -> int:
    """Enter the sandbox's network, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sandbox")
    parser.add_argument("--rounds", type=int, default=5)
    words = parser.parse_args()
    if _INSIDE not in os.environ:
        again = [sys.executable, "-m", "tests.benchmarks.status", *sys.argv[1:]]
        inside = [*TOOL, "sandbox", "exec", words.sandbox, "--", "env", f"{_INSIDE}=1", *again]
        return subprocess.run(inside, check=False).returncode
    path = record.ssh_dir(words.sandbox).parent / "cluster" / "inventory.yaml"
    return measure(path, words.rounds)


def measure(path: Path, rounds: int) -> int:
    inventory = load_inventory(path)
    targets = [target_of(node) for node in inventory.nodes]
    command = [*TOOL, "cluster", "status", "-i", str(path)]
    figures = {
        "ten bare logins": best(lambda: log_in(targets), rounds),
        "cluster status": best(lambda: subprocess.run(command, capture_output=True), rounds),
    }
    with Watcher(inventory) as watcher:
        watcher.facts()
        figures["a further look of --watch"] = best(lambda: judge(watcher.facts()), rounds)
    for name, (wall_s, processor_s) in figures.items():
        sys.stdout.write(f"{name:<28} {wall_s:6.2f} s  processor {processor_s:5.2f} s\n")
    floor, look = figures["ten bare logins"][0], figures["cluster status"][0]
    sys.stdout.write(f"{'status / floor':<28} {look / floor:6.2f}\n")
    return 0 if look <= LIMIT_S else 1


def best(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the least wall and processor time of several rounds: others disturb, none help."""
    walls, processors = [], []
    for _ in range(rounds):
        began, used = time.monotonic(), processor_s()
        work()
        walls.append(time.monotonic() - began)
        processors.append(processor_s() - used)
    return min(walls), min(processors)


def processor_s() -> float:
    """Return the processor time of this process and of its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def log_in(targets: list[Target]) -> None:
    def one(target: Target) -> None:
        words = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-p", str(target.port)]
        if target.private_key:
            words += ["-i", target.private_key]
        if target.known_hosts:
            words += ["-o", f"UserKnownHostsFile={target.known_hosts}"]
        subprocess.run([*words, f"{target.user}@{target.address}", "true"], check=True)

    with ThreadPoolExecutor(len(targets)) as pool:
        list(pool.map(one, targets))


if __name__ == "__main__":
    sys.exit(main())
