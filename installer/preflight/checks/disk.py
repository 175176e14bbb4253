"""Checks of the file systems: space, rights, and how fast they keep a promise."""

from collections.abc import Iterator
from math import ceil

from installer.preflight.check import Check, Cluster, Finding, Subject, warning
from installer.preflight.needs import BUNDLE, GIB, MIB, ROLE_FOLDERS, SPACE

_PACKAGES = GIB  # what apt unpacks below /usr, of all roles together
_RUNNING = 256 * MIB  # a node that is installed already: below this services stop soon
_INODES = 50_000
_PROGRAMS = ("/usr", "/opt", "/var/lib")  # environments, packages, maintainer scripts of dpkg
_WRITTEN = ("/", "/etc", "/usr", "/opt", "/var", "/var/lib")

# etcd's guidance: 99 of 100 flushes within 10 ms ("Hardware recommendations", "FAQ").
_GOOD_FLUSH_S = 0.010
_HEARTBEAT_S = 0.100  # etcd's default
# A leader that cannot flush within half of the election timeout of 1 s loses its office.
_WORST_FLUSH_S = 0.500


def _space_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    folders = subject.facts.folders
    needs: dict[int, int] = {}
    shares: dict[int, list[str]] = {}
    for path, need in _needs(subject).items():
        device = folders[path].device
        needs[device] = needs.get(device, 0) + need
        shares.setdefault(device, []).append(path)
    for device, need in needs.items():
        folder = folders[shares[device][0]]
        wanted = _RUNNING if subject.facts.is_installed else need
        if folder.free_bytes < wanted:
            what = (
                f"{_size(folder.free_bytes)} free on {folder.mount_point},"
                f" {_size(wanted)} are needed for {', '.join(shares[device])}"
            )
            yield Finding(what, f"free space on {folder.mount_point}, or give it a larger disk")


def _needs(subject: Subject) -> dict[str, int]:
    """Return the bytes that each folder of the node must have room for."""
    wanted = subject.wanted
    found = {"/usr": _PACKAGES, "/var": wanted.limits.disk_bytes}
    for role in wanted.roles:
        found |= {path: SPACE[path] for path in ROLE_FOLDERS[role]}
    if wanted.bundle is not None:
        found[BUNDLE] = wanted.bundle.bytes_by_node
    return {path: need for path, need in found.items() if path in subject.facts.folders}


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GB" if count >= GIB else f"{count // MIB} MB"


def _inode_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    wanted = 1000 if subject.facts.is_installed else _INODES
    points = {
        folder.mount_point: folder.free_inodes
        for path, folder in subject.facts.folders.items()
        if path in (*_WRITTEN, *_needs(subject)) and folder.free_inodes is not None
    }
    for point, free in points.items():
        if free is not None and free < wanted:
            what = f"{free} more files fit on {point}, {wanted} are needed"
            yield Finding(what, f"delete small files on {point}, or make it anew with more inodes")


def _read_only_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    found = {
        folder.mount_point: path
        for path, folder in subject.facts.folders.items()
        if path in (*_WRITTEN, *_needs(subject)) and "ro" in folder.options
    }
    for point in found:
        yield Finding(
            f"{point} is mounted read-only",
            f"mount -o remount,rw {point}; if it fell back to read-only, `dmesg` says why",
        )


def _noexec_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    folders = subject.facts.folders
    points = {folders[p].mount_point for p in _PROGRAMS if "noexec" in folders[p].options}
    for point in sorted(points):
        yield Finding(
            f"{point} is mounted noexec, and programs are installed there",
            f"mount -o remount,exec {point}, and the same in /etc/fstab",
        )


def _tmp_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    tmp = subject.facts.folders["/tmp"]
    if tmp.mode & 0o1777 != 0o1777:
        yield Finding(
            f"/tmp has mode {tmp.mode:04o}: services cannot write there, or delete each other's",
            "chmod 1777 /tmp",
        )
    if "ro" in tmp.options:
        yield Finding("/tmp is mounted read-only", "mount -o remount,rw /tmp")


def _flush_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    for path, times in subject.facts.flush.items():
        found = (
            f"99 of 100 flushed writes on {path} take up to {times.p99_s * 1000:.0f} ms"
            f" ({times.writes} tried)"
        )
        # a single long one may be the processor's fault, where few were tried
        if times.p99_s > _WORST_FLUSH_S and times.p50_s > _WORST_FLUSH_S / 10:
            yield Finding(
                f"{found}: etcd would lose its leader again and again",
                "use a faster disk: one of its own for /var/lib/etcd is enough",
            )
        elif times.p99_s > _GOOD_FLUSH_S:
            heartbeat = _heartbeat_ms(times.p99_s)
            yield warning(
                f"{found}, etcd wants 10 ms",
                f"use a faster disk, or set etcd's heartbeat_interval_ms: {heartbeat}"
                f" and election_timeout_ms: {10 * heartbeat} (a failover takes longer then)",
            )


def _heartbeat_ms(p99_s: float) -> int:
    """Return a heartbeat that a flush does not delay; whole steps of 50 ms, as people write."""
    return ceil((_HEARTBEAT_S + 2 * p99_s) * 1000 / 50) * 50


CHECKS = (
    Check("disk-space-short", "the disks have room", _space_findings),
    Check("inodes-few", "the disks have room for files", _inode_findings),
    Check("file-system-read-only", "the disks can be written", _read_only_findings),
    Check("file-system-noexec", "programs may run where they are installed", _noexec_findings),
    Check("tmp-unusable", "/tmp is everybody's", _tmp_findings),
    Check("disk-flush-slow", "the database's disk flushes quickly", _flush_findings),
)
