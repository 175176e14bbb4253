"""Checks of what is installed already: services and data of others, apt, package sources."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from posixpath import dirname

from installer.inventory import Role
from installer.preflight.check import Check, Cluster, Find, Finding, Subject, warning
from installer.preflight.needs import DISTRIBUTION_UNIT, MARKS, SERVICES, UNITS, Service

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_SLOW_SOURCE_S = 1.0
_KEEP_OR_PURGE = "or use another host"


def _foreign_findings(service: Service) -> Find:
    """Return a finder of a service that runs, or is installed, and not by us."""
    pattern = re.compile(service.package)

    def find(subject: Subject, _: Cluster) -> Iterator[Finding]:
        if not _is_fresh(subject, service):
            return
        facts = subject.facts
        running = sorted(facts.running.intersection(service.processes))
        packages = sorted(name for name in facts.packages if pattern.fullmatch(name))
        if running:
            yield Finding(
                f"{', '.join(running)} runs here, and not by us",
                f"move its data away and remove it (`apt-get purge {' '.join(packages)}`),"
                f" {_KEEP_OR_PURGE}",
            )
        elif packages:
            yield warning(
                f"{', '.join(packages)} is installed, and not by us: its settings get replaced",
                f"`apt-get purge {' '.join(packages)}` if nobody needs it, {_KEEP_OR_PURGE}",
            )

    return find


def _is_fresh(subject: Subject, service: Service) -> bool:
    """Tell whether a service is still to be installed here, and not at all yet."""
    roles = [role for role in service.roles if subject.wanted.has(role)]
    return bool(roles) and not any(MARKS[role] in subject.facts.marks for role in roles)


def _stale_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    for service in SERVICES:
        for pattern in service.data:
            path = subject.facts.filled.get(pattern)
            if path and _is_fresh(subject, service):
                yield Finding(
                    f"{path} is left of another installation of {service.name}",
                    f"save what is worth it, then `rm -r {dirname(path)}`",
                )


def _distribution_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    facts = subject.facts
    if MARKS[Role.DATABASE] in facts.marks or not subject.wanted.has(Role.DATABASE):
        return  # ours is masked
    if DISTRIBUTION_UNIT in facts.enabled and DISTRIBUTION_UNIT not in facts.masked:
        yield warning(
            "postgresql.service is enabled: it starts the distribution's own cluster at boot",
            "`systemctl disable --now postgresql`, or `pg_dropcluster --stop 17 main` if empty",
        )


def _masked_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    wanted = {unit for role in subject.wanted.roles for unit in UNITS[role]}
    for unit in sorted(wanted & subject.facts.masked):
        yield Finding(f"{unit} is masked: it could not start", f"`systemctl unmask {unit}`")


def _mismatch_findings(of: Callable[[Subject], str], what: str, remedy: str) -> Find:
    """Return a finder of data that belong to another cluster than most nodes'."""

    def find(subject: Subject, cluster: Cluster) -> Iterator[Finding]:
        own = of(subject)
        told = Counter(of(other) for other in cluster.values() if of(other))
        if not own or len(told) < 2:
            return
        is_usual = told[own] > max(count for other, count in told.items() if other != own)
        if not is_usual:  # where no side is the larger, each may be the wrong one
            others = [
                f"{name} has {of(s)}" for name, s in cluster.items() if of(s) not in ("", own)
            ]
            yield Finding(f"{what} {own}; {', '.join(others)}", remedy)

    return find


def _token_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    wanted, found = subject.wanted.etcd_token, subject.facts.identities.etcd_token
    if wanted and found and wanted != found:
        yield Finding(
            "the node belongs to another cluster of ours: its etcd has another token",
            "name another host, or take it out there first (`cfy_manager remove` on it);"
            " if it is the same cluster, bring its secrets file back",
        )


def _lock_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    holders = {(lock.pid, lock.process) for lock in subject.facts.locks}
    for pid, process in sorted(holders):
        yield warning(
            f"{process or 'a process'} (pid {pid}) holds the lock of apt: a run waits for it",
            "wait for it to end; `systemctl stop unattended-upgrades apt-daily.timer"
            " apt-daily-upgrade.timer` keeps it away meanwhile",
        )


def _halfway_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if (names := subject.facts.halfway) and not subject.facts.is_installed:  # a run mends its own
        shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        yield Finding(
            f"dpkg has not brought {shown} to the end",
            "`dpkg --configure -a`, then `apt-get -f install`",
        )


def _bundle_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    bundle, node = subject.wanted.bundle, subject.facts.node
    if bundle is None:
        return
    architecture = _ARCHITECTURES.get(node.architecture, node.architecture)
    if bundle.release != node.release:
        yield Finding(
            f"the bundle is for {bundle.release}, the node runs {node.release}",
            f"build one for it: cfy_manager bundle build --release {node.release}",
        )
    elif bundle.architecture != architecture:
        yield Finding(
            f"the bundle is for {bundle.architecture}, the node is {architecture}",
            f"build one on a machine of {architecture}",
        )


def _source_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    for address, told in subject.facts.sources.items():
        if isinstance(told, str):
            yield Finding(
                f"the package source {address} does not answer: {told}",
                "open the way to it, set apt's proxy, or install from a bundle (`bundle:`)",
            )
        elif told > _SLOW_SOURCE_S:
            yield warning(
                f"the first byte of {address} took {told:.1f} s",
                "use a nearer mirror, or install from a bundle (`bundle:`)",
            )


def _package_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    wanted, facts = subject.wanted, subject.facts
    if facts.is_installed or (wanted.bundle is not None and wanted.bundle.has_packages):
        return
    missing = [name for name in wanted.packages(facts.node.release) if name not in facts.offered]
    if missing:
        yield Finding(
            f"no package source offers {', '.join(missing)}",
            "`apt-get update` on the host; see that /etc/apt/sources.list* name Debian's main"
            " section, or install from a bundle (`bundle:`)",
        )


_FOREIGN = tuple(
    Check(
        service.code,
        f"nobody else runs {service.name} here",
        _foreign_findings(service),
    )
    for service in SERVICES
)
CHECKS = (
    *_FOREIGN,
    Check("data-stale", "the data folders are empty, or ours", _stale_findings),
    Check(
        "distribution-cluster-enabled",
        "Debian does not start a PostgreSQL of its own",
        _distribution_findings,
    ),
    Check("unit-masked", "the units may start", _masked_findings),
    Check("cluster-other", "the node is of this cluster", _token_findings),
    Check(
        "etcd-data-mixed",
        "etcd's data are of one cluster",
        _mismatch_findings(
            lambda subject: subject.facts.identities.etcd_cluster_id,
            "etcd's data are of the cluster",
            "on the node that is wrong: stop etcd, move /var/lib/etcd/data away, run again",
        ),
    ),
    Check(
        "postgresql-data-mixed",
        "the database's files are of one cluster",
        _mismatch_findings(
            lambda subject: subject.facts.identities.postgresql_system_id,
            "the database's files are of the system",
            "on the node that is wrong: stop patroni, move its data folder away, run again",
        ),
    ),
    Check("apt-locked", "apt is free", _lock_findings),
    Check("dpkg-interrupted", "dpkg has ended its work", _halfway_findings),
    Check("bundle-mismatch", "the bundle fits the node", _bundle_findings),
    Check("source-unreachable", "the package sources answer", _source_findings),
    Check("package-missing", "the package sources have what is wanted", _package_findings),
)
