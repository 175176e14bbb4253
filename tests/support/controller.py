"""A host of the sandbox that plays the controller: it has systemd, our program, and the keys."""

import base64
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.cluster import Cluster, wait_until
from tests.support.live_certificates import Own
from tests.support.losses import say

FOLDER = Path("/root/controller")
INVENTORY = FOLDER / "cluster.yaml"
_PROGRAM = "/opt/cfy_manager/env/bin/python -m installer"
_RUN_S = 180


def carry(cluster: Cluster, host: str) -> None:
    """Bring inventory, keys and certificates to a host, as an operator would."""
    own = Own(cluster)
    document = {key: value for key, value in cluster.document.items() if key != "bundle"}
    ssh = document["ssh"]
    files = own.files() | {
        "id": Path(ssh["private_key"]).read_bytes(),
        "known_hosts": Path(ssh["known_hosts"]).read_bytes(),
        "secrets.yaml": (cluster.inventory.parent / "secrets.yaml").read_bytes(),
    }
    files |= {
        f"certificates/{path.relative_to(cluster.certificates)}": path.read_bytes()
        for path in cluster.certificates.rglob("*")
        if path.is_file()
    }
    document |= {"certificates": "certificates", "secrets": "secrets.yaml"}
    document["ssh"] = ssh | {"private_key": "id", "known_hosts": "known_hosts"}
    document["settings"]["ssl_inputs"] = own.paths(FOLDER)
    files[INVENTORY.name] = yaml.safe_dump(document).encode()
    script = f"umask 077; mkdir -p {FOLDER}; base64 -d | tar -x -C {FOLDER}"
    cluster.sh(host, script, input=base64.b64encode(_packed(files)).decode())


def _packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@dataclass(frozen=True)
class Fired:
    """How a timer's service ended on the host, and what it wrote."""

    state: str
    warnings: list[str]


@dataclass(frozen=True)
class HostTimer:
    """A timer that `cfy_manager … timer` keeps on a host of the sandbox."""

    cluster: Cluster
    host: str
    unit: str  # without its suffix
    command: str  # "certificates timer"

    def enable(self, *words: str) -> str:
        """Enable it as an operator does; return what systemd says of it."""
        enabling = f"{_PROGRAM} {self.command} enable -i {INVENTORY} {' '.join(words)}"
        said = self.cluster.sh(self.host, f"{enabling}; systemctl is-enabled {self.unit}.timer")
        return said.splitlines()[-1]

    def disable(self) -> str:
        """Take it away; return what systemd lists of its units then."""
        disabling = f"{_PROGRAM} {self.command} disable -i {INVENTORY}"
        listing = f"systemctl list-unit-files '{self.unit}*' || true"
        return self.cluster.sh(self.host, f"{disabling}; {listing}")

    def fire(self) -> Fired:
        """Let it elapse in a second, not at night, and wait for the end of what it starts."""
        since = self.cluster.sh(self.host, _SOON.format(unit=self.unit)).strip()
        journal = f"journalctl -u {self.unit}.service --since @{since} -o cat"
        ends = ("Finished", "Failed to start")

        def has_ended() -> bool:
            return any(end in self.cluster.sh(self.host, journal) for end in ends)

        wait_until(has_ended, "the timer's service ran", timeout_s=_RUN_S)
        self.cluster.sh(self.host, _AT_NIGHT.format(unit=self.unit))
        say(self.cluster.sh(self.host, journal))
        words = ("systemctl", "is-failed", f"{self.unit}.service")
        state = self.cluster.on(self.host, *words, check=False).stdout.strip()
        told = self.cluster.sh(self.host, f"{journal} -t cfy_manager -p warning")
        return Fired(state, told.splitlines())


_SOON = """\
mkdir -p /run/systemd/system/{unit}.timer.d
printf '[Timer]\\nOnActiveSec=1\\nAccuracySec=1ms\\nRandomizedDelaySec=0\\n' \
    > /run/systemd/system/{unit}.timer.d/soon.conf
systemctl daemon-reload
date +%s
systemctl restart {unit}.timer
"""
_AT_NIGHT = "rm -r /run/systemd/system/{unit}.timer.d; systemctl daemon-reload"
