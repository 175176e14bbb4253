"""Checks of what the machine is: its release, architecture and size."""

from collections import Counter
from collections.abc import Callable, Iterator

from installer.inventory import Role
from installer.preflight.check import Check, Cluster, Finding, Subject, warning
from installer.preflight.needs import GIB, MIB

_RELEASES = {"bookworm": "12", "trixie": "13"}
_ARCHITECTURES = ("x86_64", "aarch64")
_OLDEST_PYTHON = (3, 11)  # of Debian 12
_OLDEST_KERNEL = (5, 4)  # systemd 257, README, "Requirements"
_ADVISED_MEMORY = {
    Role.DATABASE: 4 * GIB,
    Role.QUEUE: 2 * GIB,
    Role.MANAGER: 4 * GIB,
    Role.LOADBALANCER: 1 * GIB,
}


def _release_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    node, limits = subject.facts.node, subject.wanted.limits
    version = _RELEASES.get(node.release, "")
    if node.os_id not in limits.distributions:
        what = f"the system is {node.os_id or 'unknown'}, not {' or '.join(limits.distributions)}"
        yield Finding(what, "install Debian 12 or 13 on this host")
    elif version not in limits.versions:
        what = f"the release is '{node.release or 'unknown'}'"
        yield Finding(what, f"use Debian {' or '.join(limits.versions)}")


def _mixed_findings(
    of: Callable[[Subject], str], thing: str
) -> Callable[[Subject, Cluster], Iterator[Finding]]:
    """Return a finder of what differs from most nodes of the same role."""

    def find(subject: Subject, cluster: Cluster) -> Iterator[Finding]:
        for role in subject.wanted.roles:
            if role not in (Role.DATABASE, Role.QUEUE):
                continue  # managers and load balancers need not be alike
            others = [of(other) for other in cluster.values() if other.wanted.has(role)]
            usual = Counter(others).most_common(1)[0][0]
            if of(subject) != usual:
                what = f"the {thing} is {of(subject)}, other {role} nodes have {usual}"
                yield Finding(what, f"use one {thing} for all {role} nodes: they copy their data")

    return find


def _architecture_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    architecture = subject.facts.node.architecture
    if architecture not in _ARCHITECTURES:
        what = f"the architecture is {architecture}"
        yield Finding(what, f"use a host of {' or '.join(_ARCHITECTURES)}")


def _python_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    found = subject.facts.node.python
    if _numbers(found) < _OLDEST_PYTHON:
        yield Finding(
            f"python3 is {found}", "install Debian's own python3 and make it the first on PATH"
        )


def _kernel_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    found = subject.facts.system.kernel
    if _numbers(found) < _OLDEST_KERNEL:
        oldest = ".".join(map(str, _OLDEST_KERNEL))
        yield Finding(f"the kernel is {found}", f"boot a kernel from {oldest} on")


def _numbers(version: str) -> tuple[int, ...]:
    words = version.replace("-", ".").split(".")
    return tuple(int(word) for word in words[:2] if word.isdigit())


def _memory_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    found, least = subject.facts.node.memory_bytes, subject.wanted.limits.memory_bytes
    if found < least:
        key = "validations.minimum_required_total_physical_memory_in_mb"
        what = f"{found // MIB} MB of memory, {least // MIB} MB are demanded"
        yield Finding(what, f"give the host more memory, or lower {key}")


def _advised_memory_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    found = subject.facts.node.memory_bytes
    advised = max(_ADVISED_MEMORY[role] for role in subject.wanted.roles)
    if found < advised * 9 // 10:  # firmware and kernel keep some
        what = f"{found / GIB:.1f} GB of memory, {advised // GIB} GB are advised for its roles"
        yield warning(what, "give the host more memory before the cluster carries load")


def _cpu_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if subject.facts.node.cpus < 2 and subject.wanted.roles != (Role.LOADBALANCER,):
        yield warning(
            "one CPU: a busy process delays etcd's and the broker's heartbeats",
            "give the host two CPUs or more",
        )


CHECKS = (
    Check("release-unsupported", "the release is supported", _release_findings),
    Check(
        "release-mixed",
        "nodes of a role have one release",
        _mixed_findings(lambda subject: subject.facts.node.release, "release"),
    ),
    Check("architecture-unsupported", "the architecture is supported", _architecture_findings),
    Check(
        "architecture-mixed",
        "nodes of a role have one architecture",
        _mixed_findings(lambda subject: subject.facts.node.architecture, "architecture"),
    ),
    Check("python-old", "Python is recent enough", _python_findings),
    Check("kernel-old", "the kernel is recent enough", _kernel_findings),
    Check("memory-short", "there is the memory that is demanded", _memory_findings),
    Check("memory-below-advice", "there is the memory that is advised", _advised_memory_findings),
    Check("cpu-single", "there are two CPUs", _cpu_findings),
)
