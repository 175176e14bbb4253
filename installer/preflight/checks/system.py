"""Checks of how the system is set up: systemd, limits, memory settings, security modules."""

from collections.abc import Iterator

from installer.inventory import Role
from installer.preflight.check import Check, Cluster, Finding, Subject, warning
from installer.preflight.needs import GIB, MIB

_OPEN_FILES = 65536  # LimitNOFILE of etcd's and the broker's units
_WATCHES = 65536  # one for each folder that syncthing replicates
_INSTANCES = 64
_SHARED_MEMORY = 256 * MIB  # PostgreSQL's parallel queries keep their tables there
_CONFINED = ("etcd", "postgres", "patroni", "rabbitmq", "beam", "nginx", "haproxy", "syncthing")
_STEADY = (Role.DATABASE, Role.QUEUE)  # roles whose heartbeats others watch


def _init_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    system = subject.facts.system
    if system.init != "systemd":
        what = f"process 1 is '{system.init}', not systemd"
        where = f" (a {system.container} container)" if system.container else ""
        yield Finding(what + where, "use a machine or a container that boots systemd")


def _cgroup_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if not subject.facts.system.has_cgroup_v2:
        yield warning(
            "control groups are of version 1: systemd does not hold services to their limits",
            "boot without `systemd.unified_cgroup_hierarchy=0`",
        )


def _open_files_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    limit = subject.facts.system.open_files_limit
    if limit is not None and limit < _OPEN_FILES and _is_steady(subject):
        yield warning(
            f"a process may open {limit} files, etcd and the broker want {_OPEN_FILES}",
            "raise `fs.nr_open`, or the limit of the container that the host is",
        )


def _inotify_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if not subject.wanted.has(Role.MANAGER):
        return
    system = subject.facts.system
    for name, found, wanted in (
        ("max_user_watches", system.inotify_watches, _WATCHES),
        ("max_user_instances", system.inotify_instances, _INSTANCES),
    ):
        if found is not None and found < wanted:
            yield warning(
                f"fs.inotify.{name} is {found}: replication of files between managers wants more",
                f"echo 'fs.inotify.{name} = {wanted}' >/etc/sysctl.d/60-inotify.conf"
                " && sysctl --system",
            )


def _swap_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    system = subject.facts.system
    if system.swap_bytes and (system.swappiness or 0) > 10 and _is_steady(subject):
        yield warning(
            f"{system.swap_bytes / GIB:.1f} GB of swap with vm.swappiness = {system.swappiness}:"
            " a swapped-out service misses its heartbeats",
            "`swapoff -a` and remove it from /etc/fstab, or set vm.swappiness = 1",
        )


def _huge_pages_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    reserved, memory = subject.facts.system.huge_pages_bytes, subject.facts.node.memory_bytes
    if reserved > memory // 2:
        yield warning(
            f"{reserved / GIB:.1f} GB of {memory / GIB:.1f} GB of memory are reserved huge pages",
            "lower vm.nr_hugepages: nothing but PostgreSQL uses them here",
        )


def _transparent_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if subject.facts.system.transparent_huge_pages == "always" and _is_steady(subject):
        yield warning(
            "transparent huge pages are 'always': the kernel stops processes to compact memory",
            "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled, and"
            " `transparent_hugepage=madvise` on the kernel's command line",
        )


def _shared_memory_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    found = subject.facts.system.shared_memory_bytes
    if found is not None and found < _SHARED_MEMORY and subject.wanted.has(Role.DATABASE):
        yield warning(
            f"/dev/shm has {found // MIB} MB: parallel queries of PostgreSQL fail when it is full",
            f"mount -o remount,size={_SHARED_MEMORY // MIB}m /dev/shm, and the same in /etc/fstab",
        )


def _selinux_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if subject.facts.system.selinux == "enforcing":
        yield Finding(
            "SELinux is enforcing, and Debian has no policy for these services",
            "`setenforce 0` and SELINUX=permissive in /etc/selinux/config",
        )


def _apparmor_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    profiles = [
        name for name in subject.facts.system.apparmor_enforced if _words(name) & set(_CONFINED)
    ]
    if profiles:
        yield warning(
            f"AppArmor confines {', '.join(profiles)}: it may deny our paths",
            f"`aa-complain {profiles[0]}`, or let the profile have our paths",
        )


def _words(profile: str) -> set[str]:
    return set(profile.replace("/", " ").replace("-", " ").replace(".", " ").split())


def _locale_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    locale = subject.facts.locale
    if "C.UTF-8" in locale.missing:
        yield Finding(
            "the locale C.UTF-8 is missing, in which every service runs",
            "apt-get install --reinstall libc-bin",
        )
    elif locale.missing:
        yield warning(
            f"the default locale {locale.default} is not there: maintainer scripts complain",
            f"add {locale.default} to /etc/locale.gen and run locale-gen, or set LANG=C.UTF-8",
        )


def _is_steady(subject: Subject) -> bool:
    return bool(set(subject.wanted.roles) & set(_STEADY))


CHECKS = (
    Check("systemd-missing", "systemd runs the host", _init_findings),
    Check("cgroup-old", "control groups are of version 2", _cgroup_findings),
    Check("open-files-few", "services may open enough files", _open_files_findings),
    Check("inotify-few", "file replication may watch enough folders", _inotify_findings),
    Check("swap-eager", "services are not swapped out", _swap_findings),
    Check("huge-pages-reserved", "memory is not locked up in huge pages", _huge_pages_findings),
    Check("huge-pages-always", "the kernel does not stop to compact memory", _transparent_findings),
    Check("shared-memory-small", "/dev/shm is large enough", _shared_memory_findings),
    Check("selinux-enforcing", "SELinux denies nothing", _selinux_findings),
    Check("apparmor-confined", "AppArmor does not confine the services", _apparmor_findings),
    Check("locale-absent", "the locales are there", _locale_findings),
)
