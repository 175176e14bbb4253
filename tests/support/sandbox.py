"""Sandboxes for tests: named for this test run, gone with it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from installer.sandbox import capabilities, enter, faults, lifecycle, record
from installer.sandbox.inventory import plan_of_inventory
from installer.sandbox.plan import Plan, numbered_nodes, plan_hosts
from installer.sandbox.record import Fault, FaultKind

_PREFIX = "test"


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is up."""

    name: str
    plan: Plan

    @property
    def hosts(self) -> list[str]:
        return [host.name for host in self.plan.hosts]

    @property
    def private_key(self) -> Path:
        return record.ssh_dir(self.name) / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return record.ssh_dir(self.name) / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        return record.ssh_dir(self.name) / "config"

    def address(self, host: str) -> str:
        return record.load(self.name).host(host).address

    def run(self, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of this machine in the sandbox's network."""
        return enter.run_in(self.name, *command, stdin=stdin)

    def on(
        self, host: str, *command: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host, as root."""
        return enter.run_on(self.name, host, *command, stdin=stdin)

    def output(self, host: str, *command: str) -> str:
        """Return what a command on a host prints; it must succeed."""
        done = self.on(host, *command)
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout.strip()

    def ssh(self, host: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command over SSH, as a controller would."""
        words = ("ssh", "-F", str(self.ssh_config), "-o", "ConnectTimeout=3", host, command)
        return self.run(*words)

    def fail(
        self, kind: FaultKind, *hosts: str, detail: str = "", heal_after_s: float | None = None
    ) -> Fault:
        wish = faults.Wish(kind=kind, hosts=hosts, detail=detail, heal_after_s=heal_after_s)
        return faults.fail(self.name, wish)

    def heal(self, host: str | None = None) -> None:
        faults.heal(self.name, host)


@contextmanager
def sandbox_of(
    purpose: str, nodes: int | Path | Plan = 3, suite: str = "trixie"
) -> Iterator[Sandbox]:
    """Bring up so many hosts, those of an inventory, or of a plan; take them down at the end."""
    name = f"{_PREFIX}-{os.getpid()}-{purpose}"
    made = lifecycle.up(lifecycle.Wanted(name=name, plan=_plan(name, nodes), suite=suite))
    try:
        yield Sandbox(name, made.plan)
    finally:
        lifecycle.down(name)


def skip_where_impossible() -> None:
    """Skip, naming each thing that this machine lacks for a sandbox."""
    if missing := capabilities.missing_capabilities():
        pytest.skip("; ".join(problem.what for problem in missing))


def take_down_orphans() -> None:
    """Take down the sandboxes of test runs that were killed."""
    for name in record.recorded_names():
        prefix, _, rest = name.partition("-")
        pid = rest.partition("-")[0]
        if prefix == _PREFIX and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            lifecycle.down(name)


def _plan(name: str, nodes: int | Path | Plan) -> Plan:
    if isinstance(nodes, Plan):
        return nodes
    if isinstance(nodes, Path):
        return plan_of_inventory(nodes)
    return plan_hosts(numbered_nodes(name, nodes))
