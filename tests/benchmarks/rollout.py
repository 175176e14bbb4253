"""Measure a rollout of ten nodes beside its floor, in one run on one machine.

    python -m tests.benchmarks.rollout [--inventory inventories/ten-nodes.yaml]

The floor is what nobody can save: the same archives carried by `tar | ssh`, unpacked and configured
by plain parallel `dpkg` (and `tar`, for the Python environments) over SSH, with no service started,
plus starting the services of the finished cluster until it is whole.

1. A sandbox is rolled out: the wall time of `cluster install`, and which archives it installed.
2. All services are stopped and started again at once: the time until the load balancer's
   `/api/v3.1/ok` answers 200, which asks the database and the broker.
3. A second, bare sandbox of the same hosts gets those archives by dpkg: the time of it.

Then an unchanged second run, a plan and `validate` are timed. Exits 1 unless the rollout takes at
most 1.3 times the floor, the unchanged run 10 s, the plan 5 s and `validate` 0.5 s.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from installer.bundle.model import Bundle, load_bundle
from installer.sandbox import record
from tests.support.cluster import ROOT, Cluster, tool, wait_until

LIMITS = {"rollout / floor": 1.3, "unchanged s": 10.0, "plan s": 5.0, "validate s": 0.5}
SERVICES = {
    "database": "etcd patroni",
    "queue": "rabbitmq-server",
    "manager": "nginx cloudify-restservice cloudify-mgmtworker "
    "cloudify-syncthing cloudify-file-sync",
    "loadbalancer": "haproxy",
}
REPORTER = "cloudify-status-reporter"
NEW_PACKAGES = "awk '$3 == \"install\" {print $4}' /var/log/dpkg.log | cut -d: -f1"
NOTHING_STARTS = (
    "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d"
)


def main() -> int:
    """Run the three measurements and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inventory", type=Path, default=ROOT / "inventories/ten-nodes.yaml")
    source = parser.parse_args().inventory
    bundle = load_bundle(Path(tool("bundle", "build").splitlines()[-1]))
    figures, installed, services_s = measure_rollout(source, bundle)
    archives_s = measure_archives(source, bundle, installed)
    floor = archives_s + services_s
    figures |= {
        "archives by dpkg s": archives_s,
        "services until whole s": services_s,
        "rollout / floor": figures["rollout s"] / floor,
    }
    for name, value in figures.items():
        limit = f"   (at most {LIMITS[name]})" if name in LIMITS else ""
        sys.stdout.write(f"{name:<26} {value:8.2f}{limit}\n")
    return int(any(figures[name] > limit for name, limit in LIMITS.items()))


def measure_rollout(
    source: Path, bundle: Bundle
) -> tuple[dict[str, float], dict[str, list[str]], float]:
    """Return the times of a cluster's life, the packages that came, and the services' start."""
    cluster = boot("bench-rollout", source, bundle)
    try:
        events: list[dict[str, object]] = []
        figures = {"rollout s": timed(lambda: events.extend(cluster.install()))}
        sys.stderr.write(json.dumps(events[-1].get("seconds")) + "\n")
        installed = {node: cluster.sh(node, NEW_PACKAGES).split() for node in cluster.nodes}
        figures["unchanged s"] = timed(cluster.install)
        figures["plan s"] = timed(
            lambda: cluster.manage("cluster", "plan", "-i", cluster.inventory)
        )
        figures["validate s"] = timed(lambda: tool("validate", "-i", source))
        return figures, installed, restart_all(cluster)
    finally:
        tool("sandbox", "down", cluster.name)


def restart_all(cluster: Cluster) -> float:
    """Stop every service, start all at once, and return the time until the cluster is whole."""

    def units(node: str) -> str:
        roles = cluster.nodes[node]["roles"]
        own = " ".join(SERVICES[role] for role in roles)
        return own if roles == ["loadbalancer"] else f"{own} {REPORTER}"

    on_all(cluster.nodes, lambda node: cluster.sh(node, f"systemctl stop {units(node)}"))
    began = time.monotonic()
    on_all(
        cluster.nodes, lambda node: cluster.sh(node, f"systemctl start --no-block {units(node)}")
    )
    address = cluster.document["load_balancer"]["address"]
    url = f"https://{address}/api/v3.1/ok"
    ask = ("curl", "--silent", "--fail", "--max-time", "2", "--cacert", cluster.ca, url)
    wait_until(lambda: cluster.beside(*ask).stdout, "the cluster is whole", timeout_s=180)
    return time.monotonic() - began


def measure_archives(source: Path, bundle: Bundle, installed: Mapping[str, list[str]]) -> float:
    """Return the time to carry and install the same archives on bare hosts, nothing started."""
    cluster = boot("bench-floor", source, bundle)
    try:
        on_all(cluster.nodes, lambda node: cluster.sh(node, NOTHING_STARTS))
        return timed(
            lambda: on_all(
                cluster.nodes, lambda node: install(cluster, bundle, node, installed[node])
            )
        )
    finally:
        tool("sandbox", "down", cluster.name)


def install(cluster: Cluster, bundle: Bundle, node: str, packages: Iterable[str]) -> None:
    """Carry a node's archives by `tar | ssh` and install them by dpkg and tar."""
    roles = cluster.nodes[node]["roles"]
    wanted = set(packages)
    names = [
        name
        for name in bundle.files_for(roles)
        if name.endswith(".tar") or Path(name).name.split("_")[0] in wanted
    ]
    script = (
        "set -eu; mkdir -p /tmp/floor; cd /tmp/floor; tar --extract; "
        "export DEBIAN_FRONTEND=noninteractive; "
        "dpkg --install --force-unsafe-io --force-confold $(find . -name '*.deb') >/dev/null; "
        "for archive in $(find . -name '*.tar'); do mkdir -p /opt/$archive; "
        "tar --extract --directory /opt/$archive --file $archive; done"
    )
    ssh = ("ssh", "-F", str(record.ssh_dir(cluster.name) / "config"), node, script)
    command = (sys.executable, "-m", "installer", "sandbox", "exec", cluster.name, "--", *ssh)
    tar = subprocess.Popen(
        ["tar", "--create", "--directory", bundle.path, *names], stdout=subprocess.PIPE
    )
    done = subprocess.run(command, stdin=tar.stdout, capture_output=True, text=True, cwd=ROOT)
    if tar.wait() or done.returncode:
        raise AssertionError(f"{node}: {done.stderr[-2000:]}")


def boot(name: str, source: Path, bundle: Bundle) -> Cluster:
    """Return bare hosts in a new sandbox."""
    tool("sandbox", "down", name)
    tool("sandbox", "up", "--name", name, "-i", source)
    found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle.path)
    return Cluster(name, Path(found.strip()))


def on_all(nodes: Iterable[str], act: Callable[[str], object]) -> None:
    """Act on every node at once."""
    names = list(nodes)
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(act, names))


def timed(act: Callable[[], object]) -> float:
    """Return how long it takes, in seconds."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
