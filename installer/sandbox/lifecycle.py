"""Bring a sandbox up, boot its hosts, take it down without a trace."""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from installer.errors import NotHealthy, PhaseFailed, Problem, Refused
from installer.sandbox import cgroup, guest, network, record, ssh, watch
from installer.sandbox.capabilities import require_capabilities, require_space
from installer.sandbox.disk import DEFAULT_SIZE_GB, make_disk
from installer.sandbox.image import ensure_image
from installer.sandbox.keeper import kill_inside, seen_by, start_keeper
from installer.sandbox.personal import hosts_file, personalise
from installer.sandbox.plan import HostPlan, Plan
from installer.sandbox.process import ProcessId, run, wait_until
from installer.sandbox.record import Record

_BOOT_TIMEOUT_S = 120.0
_RELEASE_TIMEOUT_S = 60
_TOGETHER = 4  # more only fight for the kernel's network lock
_INOTIFY_EACH = 64
_INOTIFY_USUAL = 128  # the kernel's default, which the machine itself needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `up` is asked for."""

    name: str
    plan: Plan
    suite: str = "trixie"
    disk_gb: int = DEFAULT_SIZE_GB


def up(wanted: Wanted) -> Record:
    """Boot all hosts and return when they answer SSH; a failed start leaves nothing.

    Raises PreflightError when the machine lacks something, Refused when the name is in use.
    """
    require_capabilities()
    require_space(record.sandboxes_dir(), len(wanted.plan.hosts))
    image = ensure_image(wanted.suite)
    with record.locked(wanted.name):
        if record.sandbox_dir(wanted.name).exists():
            raise Refused(
                Problem(
                    where=f"sandbox {wanted.name}",
                    what="is up already, or was left half made",
                    remedy=f"run `cfy_manager sandbox down {wanted.name}` first",
                )
            )
        try:
            return _make(wanted, image)
        except BaseException:
            _remove(wanted.name)
            raise


def down(name: str) -> None:
    """Take a sandbox away: processes, mounts, networks, files; nothing to do is fine."""
    with record.locked(name):
        _remove(name)


def boot_hosts(made: Record, hosts: Sequence[HostPlan]) -> Record:
    """Boot hosts that are off and return the new record when all of them run."""
    holder = holder_of(made)

    def start(host: HostPlan) -> ProcessId:
        namespace = record.namespace_of(made.name, host.name)
        network.plug_in(holder, made.plan, host, namespace)
        place = guest.Place(
            sandbox=made.name,
            host=host.name,
            folder=record.host_dir(made.name, host.name),
            namespace=namespace,
        )
        return guest.boot(holder, place)

    with ThreadPoolExecutor(_TOGETHER) as pool:
        started = dict(zip([host.name for host in hosts], pool.map(start, hosts), strict=True))
    made = replace(made, supervisors={**made.supervisors, **started})
    record.save(made)
    ssh.wait_for_ssh(holder, hosts, _BOOT_TIMEOUT_S)
    for host in hosts:
        _wait_for_system(made, host)
    return made


def holder_of(made: Record) -> ProcessId:
    """Return the process that holds the namespaces; raises NotHealthy when it is gone."""
    if made.keeper is None or not made.keeper.is_alive():
        raise NotHealthy(
            Problem(
                where=f"sandbox {made.name}",
                what="its namespaces are gone (was the machine restarted?)",
                remedy=f"run `cfy_manager sandbox down {made.name}`, then `up` again",
            )
        )
    return made.keeper


def _make(wanted: Wanted, image: Path) -> Record:
    folder = record.sandbox_dir(wanted.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)  # the disks hold the secrets of the clusters that are tried
    holder = start_keeper(folder)
    made = Record(
        name=wanted.name, suite=wanted.suite, image=str(image), plan=wanted.plan, keeper=holder
    )
    record.save(made)
    _allow_inotify(len(wanted.plan.hosts))
    network.make_bridges(holder, wanted.plan)
    client_key = ssh.make_client_key(record.ssh_dir(wanted.name))
    hosts = wanted.plan.hosts

    def prepare(host: HostPlan) -> str:
        place = record.host_dir(wanted.name, host.name)
        make_disk(holder, place, image, wanted.disk_gb)
        return personalise(seen_by(holder, place / "root"), wanted.plan, host, client_key)

    with ThreadPoolExecutor(_TOGETHER) as pool:
        keys = dict(zip([host.name for host in hosts], pool.map(prepare, hosts), strict=True))
    _write_ssh_files(wanted, keys)
    return boot_hosts(made, hosts)


def _write_ssh_files(wanted: Wanted, keys: dict[str, str]) -> None:
    folder = record.ssh_dir(wanted.name)
    ssh.known_hosts(folder).write_text(ssh.known_hosts_text(wanted.plan, keys))
    (folder / "config").write_text(ssh.ssh_config_text(wanted.plan, folder))
    (folder / "hosts").write_text(hosts_file(wanted.plan))


def _wait_for_system(made: Record, host: HostPlan) -> None:
    leader = guest.leader_of(made.supervisors[host.name])
    if leader is None:
        raise NotHealthy(_died(made, host))
    try:
        run(guest.enter_host(leader, ["systemctl", "is-system-running", "--wait"]))
    except PhaseFailed as error:
        list_failed = ["systemctl", "--failed", "--no-legend", "--plain"]
        failed = run(guest.enter_host(leader, list_failed)).strip()
        raise NotHealthy(
            Problem(
                where=host.name,
                what=f"is {error.problems[0].what}; failed units: {failed or 'none'}",
                remedy=f"read {record.host_dir(made.name, host.name) / 'console.log'}",
            )
        ) from error


def _died(made: Record, host: HostPlan) -> Problem:
    log = record.host_dir(made.name, host.name) / "console.log"
    lines = log.read_text(errors="replace").splitlines()[-5:]
    return Problem(
        where=host.name, what=f"ended while it booted: {' | '.join(lines)}", remedy=f"read {log}"
    )


def _allow_inotify(hosts: int) -> None:
    """Raise the kernel's limit of inotify instances: all hosts share root's.

    Each systemd, dbus and logind has some; a host that gets none boots and then loses services.
    """
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    wanted = _INOTIFY_USUAL + _INOTIFY_EACH * hosts
    if int(limit.read_text()) < wanted:
        limit.write_text(str(wanted))


def _remove(name: str) -> None:
    folder = record.sandbox_dir(name)
    if not folder.exists():
        return
    watch.stop_watchers(name)
    kill_inside(folder)
    for what, gone in (
        ("disks", lambda: _disks_are_released(folder)),
        ("control groups", lambda: cgroup.remove_groups(name)),
        ("files", lambda: _files_are_deleted(folder)),
    ):
        # the kernel lets go of the last one a moment after the last process
        wait_until(gone, what=f"the {what} of {name} are gone", timeout_s=_RELEASE_TIMEOUT_S)


def _disks_are_released(folder: Path) -> bool:
    return f"{folder}/" not in run(["losetup", "--noheadings", "--output=BACK-FILE"])


def _files_are_deleted(folder: Path) -> bool:
    # a tool that a killed `up` had started may still be writing
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
