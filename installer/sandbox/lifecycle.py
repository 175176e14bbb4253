"""Bring a sandbox up, tell its state, take it down without a trace."""

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from installer.errors import NotHealthy, PhaseFailed, Problem, Refused
from installer.sandbox import cgroup, guest, keeper, network, record, ssh
from installer.sandbox.disk import DEFAULT_SIZE_GB, make_disk
from installer.sandbox.image import LOGIN_USER, ensure_image
from installer.sandbox.plan import HostPlan, Plan
from installer.sandbox.process import ProcessId, all_processes, identify, run, wait_until
from installer.sandbox.record import Record

BOOT_TIMEOUT_S = 120.0
_PREPARE_TOGETHER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `up` is asked for."""

    name: str
    plan: Plan
    suite: str = "trixie"
    disk_gb: int = DEFAULT_SIZE_GB


def host_dir(name: str, host: str) -> Path:
    """Return the folder of one host: its disk, its root file system, its console's log."""
    return record.sandbox_dir(name) / "hosts" / host


def ssh_dir(name: str) -> Path:
    """Return the folder with the client key, known_hosts and ssh_config."""
    return record.sandbox_dir(name) / "ssh"


def up(wanted: Wanted) -> Record:
    """Boot all hosts and return when they answer SSH; a failed start leaves nothing."""
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


def boot_hosts(made: Record, hosts: list[HostPlan]) -> Record:
    """Boot hosts that are off and return the record when all of them run."""
    holder = holder_of(made)
    supervisors = dict(made.supervisors)
    for host in hosts:
        namespace = record.sandbox_dir(made.name) / "netns" / host.name
        network.plug_in(holder, made.plan, host, namespace)
        supervisors[host.name] = guest.boot(
            holder, made.name, host.name, host_dir(made.name, host.name)
        )
    made = replace(made, supervisors=supervisors)
    record.save(made)  # before the wait: an interrupted `up` must find what it started
    ssh.wait_for_ssh(holder, hosts, BOOT_TIMEOUT_S)
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
    folder.mkdir(parents=True)
    made = Record(name=wanted.name, suite=wanted.suite, image=str(image), plan=wanted.plan)
    made = replace(made, keeper=keeper.start_keeper(folder))
    record.save(made)
    _allow_inotify(len(wanted.plan.hosts))
    holder = holder_of(made)
    network.make_bridges(holder, wanted.plan)
    client_key = ssh.make_client_key(ssh_dir(wanted.name))
    hosts = list(wanted.plan.hosts)

    def prepare(host: HostPlan) -> str:
        make_disk(holder, host_dir(wanted.name, host.name), image, wanted.disk_gb)
        return _personalise(made, host, client_key)

    with ThreadPoolExecutor(_PREPARE_TOGETHER) as pool:
        keys = dict(zip([host.name for host in hosts], pool.map(prepare, hosts), strict=True))
    _write_ssh_files(wanted, keys)
    return boot_hosts(made, hosts)


def _personalise(made: Record, host: HostPlan, client_key: str) -> str:
    """Give a host its name, its keys and its identity; return its public SSH key."""
    root = keeper.seen_by(holder_of(made), host_dir(made.name, host.name) / "root")
    names = f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{ssh.hosts_text(made.plan)}"
    (root / "etc/hostname").write_text(f"{host.name}\n")
    (root / "etc/hosts").write_text(names)
    (root / "etc/machine-id").write_text(f"{os.urandom(16).hex()}\n")
    for home in (root / "root", root / "home" / LOGIN_USER):
        owner = home.stat()
        (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
        (home / ".ssh/authorized_keys").write_text(client_key)
        for path in (home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, owner.st_uid, owner.st_gid)
    return ssh.make_host_key(root / "etc/ssh", host.name)


def _write_ssh_files(wanted: Wanted, keys: dict[str, str]) -> None:
    folder = ssh_dir(wanted.name)
    ssh.known_hosts(folder).write_text(ssh.known_hosts_text(wanted.plan, keys))
    (folder / "config").write_text(ssh.ssh_config_text(wanted.plan, folder))
    names = f"127.0.0.1 localhost\n::1 localhost\n{ssh.hosts_text(wanted.plan)}"
    (folder / "hosts").write_text(names)


def _wait_for_system(made: Record, host: HostPlan) -> None:
    leader = guest.leader_of(made.supervisors[host.name])
    if leader is None:
        raise NotHealthy(_died(made, host))
    check = ["systemctl", "is-system-running", "--wait"]
    try:
        run(guest.enter_host(leader, check))
    except PhaseFailed:
        failed = run(guest.enter_host(leader, ["systemctl", "--failed", "--no-legend", "--plain"]))
        raise NotHealthy(
            Problem(
                where=host.name,
                what=f"booted with failed units: {failed.strip()}",
                remedy=f"run `cfy_manager sandbox exec {made.name} --host {host.name} -- "
                "journalctl -b -p warning`",
            )
        ) from None


def _died(made: Record, host: HostPlan) -> Problem:
    log = host_dir(made.name, host.name) / "console.log"
    lines = log.read_text(errors="replace").splitlines()[-5:]
    return Problem(
        where=host.name, what=f"ended while it booted: {' | '.join(lines)}", remedy=f"read {log}"
    )


def _allow_inotify(hosts: int) -> None:
    """Raise the kernel's limit of inotify instances: all hosts share root's 128.

    Each systemd, dbus and logind has some; a host without any boots and then loses services.
    """
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if int(limit.read_text()) < 128 + 64 * hosts:
        limit.write_text(str(max(1024, 128 + 64 * hosts)))


def _remove(name: str) -> None:
    folder = record.sandbox_dir(name)
    if not folder.exists():
        return
    with suppress(FileNotFoundError):
        _kill_all(record.parse((folder / "sandbox.json").read_text()))
    cgroup.remove_groups(name)
    shutil.rmtree(folder)


def _kill_all(made: Record) -> None:
    for fault in made.faults:
        if fault.watcher is not None:
            fault.watcher.kill()
    for supervisor in made.supervisors.values():
        guest.cut_power(supervisor)
    if made.keeper is not None and made.keeper.is_alive():
        _kill_inside(made.keeper)
    # the kernel lets go of the last disk a moment after the last process
    loops = f"{record.sandbox_dir(made.name)}/"
    wait_until(
        lambda: loops not in run(["losetup", "--list", "--noheadings"]),
        what=f"the disks of sandbox {made.name} are released",
        timeout_s=10,
    )


def _kill_inside(holder: ProcessId) -> None:
    """Kill every process in the sandbox's namespaces, the keeper last."""
    spaces = _namespaces(holder.pid)
    for pid in all_processes():
        if pid in (os.getpid(), holder.pid):
            continue
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if _namespaces(pid) & spaces:
                identify(pid).kill(signal.SIGKILL)
    holder.kill(signal.SIGKILL)
    holder.wait(5.0)


def _namespaces(pid: int) -> set[Path]:
    return {Path(f"/proc/{pid}/ns/{kind}").readlink() for kind in ("net", "mnt")}
