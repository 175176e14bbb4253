"""What this machine must have for a sandbox, found by trying it."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from installer.errors import PreflightError, Problem

_GB = 1024**3
_SPACE_PER_HOST_GB = 1  # what a fully installed node writes, with room

# command → Debian package
_TOOLS: Mapping[str, str] = {
    "ip": "iproute2",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "tc": "iproute2",
    "unshare": "util-linux",
}


@dataclass(frozen=True, slots=True)
class _Probe:
    """One thing to try inside throw-away namespaces."""

    name: str
    script: str
    remedy: str


_NAMESPACES = _Probe(
    "mount and network namespaces",
    ":",
    "give this system CAP_SYS_ADMIN (in a container: a privileged one)",
)
_PROBES = (
    _Probe(
        "overlayfs",
        "mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir l u w m && "
        "mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w,volatile m",
        "run `modprobe overlay`; the kernel must be 5.10 or newer (CONFIG_OVERLAY_FS)",
    ),
    _Probe(
        "loop devices",
        "mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir m && truncate -s 8M d && "
        "mkfs.ext4 -q d && mount -o loop d m",
        "run `modprobe loop`; in a container pass /dev/loop-control and the loop devices through",
    ),
    _Probe(
        "bridge devices",
        "ip link add probe type bridge",
        "run `modprobe bridge` (CONFIG_BRIDGE); this system needs CAP_NET_ADMIN",
    ),
    _Probe(
        "veth devices",
        "ip link add probe0 type veth peer name probe1",
        "run `modprobe veth` (CONFIG_VETH); this system needs CAP_NET_ADMIN",
    ),
    _Probe(
        "nftables on bridges",
        "nft add table bridge probe",
        "run `modprobe nf_tables` (CONFIG_NF_TABLES_BRIDGE); this system needs CAP_NET_ADMIN",
    ),
)
_OPTIONAL = (
    _Probe(
        "fail slow --rate-kbit (sch_tbf)",
        "tc qdisc add dev lo root tbf rate 1mbit burst 32kbit latency 400ms",
        "run `modprobe sch_tbf` (CONFIG_NET_SCH_TBF)",
    ),
    _Probe(
        "fail slow --delay-ms (sch_netem)",
        "tc qdisc add dev lo root netem delay 1ms",
        "run `modprobe sch_netem` (CONFIG_NET_SCH_NETEM)",
    ),
)
_NO_CGROUP2 = Problem(
    where="this machine",
    what="no cgroup2 tree, which systemd 257 needs to boot",
    remedy="run `mkdir -p /sys/fs/cgroup/unified` and "
    "`mount -t cgroup2 none /sys/fs/cgroup/unified`",
)


def missing_capabilities() -> list[Problem]:
    """Return a problem for each thing that a sandbox needs and this machine lacks."""
    if os.geteuid() != 0:
        return [
            Problem(where="this machine", what="you are not root", remedy="run it with sudo")
        ]  # the other answers would all be wrong
    missing = list(_missing_tools())
    if missing:
        return missing  # the trials below use them
    missing = list(_failed_probes((_NAMESPACES,))) or list(_failed_probes(_PROBES))
    if not any(" cgroup2 " in line for line in Path("/proc/mounts").read_text().splitlines()):
        missing.append(_NO_CGROUP2)
    return missing


def unavailable_faults() -> list[Problem]:
    """Return a problem for each fault that this kernel cannot make; the rest works without."""
    return [*_failed_probes(_OPTIONAL), clock_problem()]


def clock_problem() -> Problem:
    """Return why no host can have a clock of its own."""
    return Problem(
        where="fail clock",
        what="Linux has no namespace for CLOCK_REALTIME: all hosts share this machine's clock",
        remedy="shift clocks on virtual machines; time_namespaces(7) covers only the other clocks",
    )


def require_capabilities() -> None:
    """Raise PreflightError naming everything that is missing."""
    missing = missing_capabilities()
    if missing:
        raise PreflightError(*missing)


def require_space(place: Path, hosts: int) -> None:
    """Raise PreflightError when the file system of a folder is too small for the hosts."""
    existing = next(folder for folder in (place, *place.parents) if folder.is_dir())
    free_gb = shutil.disk_usage(existing).free / _GB
    if free_gb < hosts * _SPACE_PER_HOST_GB:
        raise PreflightError(
            Problem(
                where=str(existing),
                what=f"{free_gb:.1f} GB are free, {hosts} hosts may need {hosts}",
                remedy="free some, ask for fewer hosts, or set CFY_MANAGER_SANDBOXES to a folder "
                "on a larger file system",
            )
        )


def _missing_tools() -> Iterator[Problem]:
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            yield Problem(
                where="this machine",
                what=f"no command {tool}",
                remedy=f"run `apt-get install {package}`",
            )


def _failed_probes(probes: tuple[_Probe, ...]) -> Iterator[Problem]:
    for probe in probes:
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--", "sh", "-c", probe.script],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            complaint = done.stderr.strip().partition("\n")[0]
            what = f"no {probe.name} ({complaint})"
            yield Problem(where="this machine", what=what, remedy=probe.remedy)
