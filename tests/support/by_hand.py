"""Hosts that a person installs one by one: the bundle copied there, config.yaml written there."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from installer.bundle.model import load_bundle
from tests.support.cluster import ROOT, TOOL, run
from tests.support.sandbox import Sandbox

BUNDLE = "/root/bundle"
CONFIG = "/etc/cloudify/config.yaml"

# what a removal must restore; what belongs to others than us is left out by `ignored`
_SNAPSHOT = r"""
dpkg-query -W -f 'package ${Package} ${db:Status-Status}\n'
cut -d: -f1,6 /etc/passwd | sed 's/^/user /'
cut -d: -f1,4 /etc/group | sed 's/^/group /'
systemctl list-unit-files --no-legend | awk '{print "unit file", $1, $2}'
systemctl list-units --all --no-legend --plain --state=active,failed \
    --type=service,socket,timer,mount,path | awk '{print "unit", $1, $3}'
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /dev \) -prune \
    -o -type f -printf 'file %p %m %u %s\n' -o -printf 'path %p %y %u\n'
"""


@dataclass(frozen=True)
class Host:
    """One host of a sandbox, as its administrator meets it."""

    sandbox: Sandbox
    name: str

    @property
    def address(self) -> str:
        return self.sandbox.address(self.name)

    def try_run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.sandbox.on(self.name, *words, stdin=stdin)

    def run(self, *words: str, stdin: str | None = None) -> str:
        done = self.try_run(*words, stdin=stdin)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def sh(self, script: str) -> str:
        return self.run("sh", "-euc", script)

    def manage(self, *words: str, stdin: str | None = None) -> str:
        return self.run("cfy_manager", *words, stdin=stdin)

    def write(self, path: str, text: str | bytes) -> None:
        content = text if isinstance(text, str) else text.decode()
        self.run("sh", "-euc", 'umask 077; mkdir -p "${1%/*}"; cat >"$1"', "-", path, stdin=content)

    def install(self, *words: str) -> dict[str, Any]:
        """Run `install` and return what its events say: outcomes by phase, changes."""
        done = self.try_run("cfy_manager", "install", "--json", *words)
        assert done.returncode == 0, done.stderr
        output = done.stdout
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        ends = [event for event in events if event["kind"] == "phase-finished"]
        assert ends, output
        return {
            "outcomes": {event["phase"]: event["outcome"] for event in ends},
            "changes": [change for event in ends for change in event.get("changes", ())],
        }

    def snapshot(self, ignored: Iterable[str] = ()) -> set[str]:
        """Return a line for each package, user, group, unit, file and directory of the host."""
        lines = self.run("sh", "-s", stdin=_SNAPSHOT).splitlines()
        return {line for line in lines if not any(part in line for part in ignored)}

    def bring(self, bundle: Path, services: Iterable[str]) -> None:
        """Copy what these services need of the bundle, and set the command up from it."""
        roles = [service.removesuffix("_service") for service in services]
        names = {*load_bundle(bundle).files_for(roles), "setup"}
        words = ("tar", "--extract", "--no-same-owner", "--directory", BUNDLE, "--file", "-")
        self.run("mkdir", "-p", BUNDLE)
        packing = subprocess.Popen(
            ("tar", "--create", "--directory", str(bundle), "--file", "-", *sorted(names)),
            stdout=subprocess.PIPE,
        )
        assert packing.stdout is not None
        enter = (*TOOL, "sandbox", "exec", self.sandbox.name, "--host", self.name, "--", *words)
        done = subprocess.run(enter, stdin=packing.stdout, cwd=ROOT, check=False)
        packing.stdout.close()
        assert (packing.wait(), done.returncode) == (0, 0)
        self.run("sh", f"{BUNDLE}/setup")


def dumped(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


def client(sandbox: Sandbox, folder: Path, *words: str | Path) -> str:
    """Run the genuine client beside the hosts of a sandbox, its profile kept in `folder`."""
    environment = {**os.environ, "CFY_WORKDIR": str(folder)}
    command = (*TOOL, "sandbox", "exec", sandbox.name, "--", ROOT / "script" / "cfy", *words)
    return run([str(word) for word in command], env=environment, timeout_s=180).stdout
