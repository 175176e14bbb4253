"""A whole cluster in the sandbox, as tests use it: run commands beside it, on it, against it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from installer.errors import InstallerError
from installer.sandbox import enter
from tests.support.network import network_of
from tests.support.tls import Pair

ROOT = Path(__file__).parents[2]
TOOL = (sys.executable, "-m", "installer")


def tool(*words: str | Path, timeout_s: float = 900, **options: Any) -> str:
    """Run cfy_manager on this machine and return its output; a failure shows all of it."""
    return run((*TOOL, *map(str, words)), timeout_s=timeout_s, **options).stdout


def run(
    words: Sequence[str], *, timeout_s: float = 120, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=ROOT, timeout=timeout_s, **options
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(words)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


@dataclass(frozen=True)
class Cluster:
    """A rolled-out cluster in the sandbox `name`."""

    name: str
    inventory: Path

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load(self.inventory.read_text())
        return document

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        return {node["name"]: node for node in self.document["nodes"]}

    def having(self, role: str) -> list[str]:
        return [name for name, node in self.nodes.items() if role in node["roles"]]

    def address(self, node: str) -> str:
        return str(self.nodes[node]["address"])

    @property
    def entry(self) -> str:
        """Return where clients reach the cluster: its load balancer, else its first manager."""
        balancer = self.document.get("load_balancer") or {}
        own = self.address((self.having("loadbalancer") or self.having("manager"))[0])
        return str(balancer.get("virtual_ip") or balancer.get("address") or own)

    @property
    def secrets(self) -> dict[str, str]:
        path = self.inventory.parent / "secrets.yaml"
        secrets: dict[str, str] = yaml.safe_load(path.read_text())
        return secrets

    @property
    def certificates(self) -> Path:
        return self.inventory.parent / "certificates"

    @property
    def ca(self) -> Path:
        return self.certificates / "ca.crt"

    def pair(self, node: str, name: str = "node") -> Pair:
        """Return a certificate of a node, as the controller keeps it."""
        return Pair.named(self.certificates / "nodes" / node, name)

    def network(self, node: str | None = None) -> AbstractContextManager[None]:
        """Open this test's own sockets beside the hosts, or with the address of a node."""
        return network_of(self.name, node)

    def beside(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the sandbox's network, on this machine's files."""
        return _run_where(lambda: enter.command_in(self.name, list(map(str, words))), options)

    def on(self, node: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on a host as root."""
        return _run_where(lambda: enter.command_on(self.name, node, words), options)

    def sh(self, node: str, script: str, **options: Any) -> str:
        return self.on(node, "sh", "-euc", script, **options).stdout

    def manage(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run cfy_manager inside the sandbox's network."""
        return self.beside(*TOOL, *words, **{"timeout_s": 900} | options)

    def install(self, *words: str, **options: Any) -> list[dict[str, Any]]:
        """Run `cluster install` and return its events."""
        output = self.manage(
            "cluster", "install", "-i", self.inventory, "--json", *words, **options
        ).stdout
        return [json.loads(line) for line in output.splitlines()]

    def cfy(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the genuine client, logged in through the load balancer."""
        folder = self.inventory.parent / "cfy"
        folder.mkdir(exist_ok=True)
        environment = {**os.environ, "CFY_WORKDIR": str(folder)}
        return self.beside(ROOT / "script" / "cfy", *words, env=environment, **options)

    def log_in(self) -> str:
        """Point the client at the load balancer."""
        address = self.entry
        password = self.secrets["admin_password"]
        words = ("-u", "admin", "-p", password, "-t", "default_tenant", "--ssl", "-c", str(self.ca))
        return self.cfy("profiles", "use", address, *words).stdout

    def cluster_status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.cfy("cluster", "status", "--json").stdout)
        return status

    def fail(self, *words: str) -> None:
        tool("sandbox", "fail", self.name, *words)

    def heal(self, *words: str) -> None:
        tool("sandbox", "heal", self.name, *words)


def _run_where(
    command: Callable[[], list[str]], options: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    """Do what `sandbox exec` does, without a second Python for each of thousands of commands."""
    try:
        words = command()
    except InstallerError as error:
        if options.get("check", True):
            raise AssertionError(str(error)) from error
        return subprocess.CompletedProcess((), error.exit_code, "", str(error))
    return run(words, **options)


def wait_until(condition: Callable[[], object], what: str, *, timeout_s: float) -> float:
    """Wait for a condition and return how long it took; an AssertionError ends in its words.

    A look that costs much is taken less often: it must not slow down what it waits for.
    """
    began = time.monotonic()
    last: object = None
    while (looked := time.monotonic()) < began + timeout_s:
        try:
            if last := condition():
                return time.monotonic() - began
        except (AssertionError, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            last = error
        time.sleep(min(max(0.5, time.monotonic() - looked), 2))
    raise AssertionError(f"not within {timeout_s} s: {what}; last: {last}")
