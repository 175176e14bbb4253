"""What the machine is: its hardware, kernel, system and what identifies it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

TIME_SERVICES = ("chronyd", "ntpd", "ntpsec", "openntpd", "systemd-timesyn", "ptp4l", "phc2sys")
_ANSWERED_S = 3.0


def text_of(path: str, limit: int = 65536) -> str:
    """Return the text of a file, or nothing where there is none that can be read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""


def number_of(path: str) -> int | None:
    """Return the number that a file holds, or None."""
    text = text_of(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def system() -> dict[str, Any]:
    """Return what `installer.preflight.facts.System` holds."""
    memory = _sizes("/proc/meminfo")
    return {
        "kernel": os.uname().release,
        "init": text_of("/proc/1/comm").strip(),
        "container": text_of("/run/systemd/container").strip(),
        "has_cgroup_v2": os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
        "machine_id": text_of("/etc/machine-id").strip(),
        "host_keys": _host_keys(),
        "memory_available_bytes": memory.get("MemAvailable", 0),
        "swap_bytes": memory.get("SwapTotal", 0),
        "swappiness": number_of("/proc/sys/vm/swappiness"),
        "huge_pages_bytes": memory.get("HugePages_Total", 0)
        // 1024
        * memory.get("Hugepagesize", 0),
        "transparent_huge_pages": _chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "shared_memory_bytes": _shared_memory(),
        "open_files_limit": _open_files(),
        "inotify_watches": number_of("/proc/sys/fs/inotify/max_user_watches"),
        "inotify_instances": number_of("/proc/sys/fs/inotify/max_user_instances"),
        "selinux": {"1": "enforcing", "0": "permissive"}.get(
            text_of("/sys/fs/selinux/enforce"), ""
        ),
        "apparmor_enforced": _apparmor(),
        "has_ipv6": os.path.exists("/proc/net/if_inet6")
        and number_of("/proc/sys/net/ipv6/conf/all/disable_ipv6") != 1,
        "resets_hostname": _resets_hostname(),
    }


def _sizes(path: str) -> dict[str, int]:
    """Return /proc/meminfo in bytes; counts are multiplied as well."""
    rows = (line.split() for line in text_of(path).splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1}


def _chosen(path: str) -> str:
    """Return the word in brackets."""
    return text_of(path).partition("[")[2].partition("]")[0]


def _shared_memory() -> int | None:
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - its size, not a file in it
    except OSError:
        return None
    return found.f_blocks * found.f_frsize


def _open_files() -> int | None:
    """Return the most files that systemd may let a service open."""
    for line in text_of("/proc/1/limits").splitlines():
        if line.startswith("Max open files"):
            hard = line.split()[-2]
            return None if hard == "unlimited" else int(hard)
    return None


def _host_keys() -> dict[str, str]:
    """Return the public host keys of the SSH daemon by their kind."""
    import glob

    paths = glob.glob("/etc/ssh/ssh_host_*_key.pub")
    words = (text_of(path).split() for path in paths)
    return {word[0]: word[1] for word in words if len(word) > 1}


def _apparmor() -> list[str]:
    """Return the names of profiles that are enforced."""
    lines = text_of("/sys/kernel/security/apparmor/profiles", 1 << 20).splitlines()
    return [line.rpartition(" (")[0] for line in lines if line.endswith("(enforce)")]


def _resets_hostname() -> bool:
    """Tell whether cloud-init would give the host another name at its next boot."""
    import glob
    import re

    if not os.path.exists("/usr/bin/cloud-init") or os.path.exists(
        "/etc/cloud/cloud-init.disabled"
    ):
        return False
    paths = ["/etc/cloud/cloud.cfg", *sorted(glob.glob("/etc/cloud/cloud.cfg.d/*.cfg"))]
    said = [re.findall(r"^preserve_hostname:\s*(\w+)", text_of(path), re.M) for path in paths]
    words = [word for found in said for word in found]
    return not words or words[-1].lower() not in ("true", "yes", "on")


def locale() -> dict[str, Any]:
    """Return the host's default locale and whether the C library has it."""
    from _locale import LC_ALL, setlocale  # without `locale`

    named = ""
    for line in (text_of("/etc/default/locale") + "\n" + text_of("/etc/locale.conf")).splitlines():
        name, _, value = line.strip().partition("=")
        if name in ("LANG", "LC_ALL") and value:
            named = value.strip("\"'")
    missing = []
    for name in filter(None, dict.fromkeys(("C.UTF-8", named))):
        try:
            setlocale(LC_ALL, name)
        except Exception:  # `_locale` has its error under another name in each release
            missing.append(name)
    setlocale(LC_ALL, "C")
    return {"default": named, "missing": missing}


def processes() -> dict[int, tuple[str, str]]:
    """Return (name, unit) of each process."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (name := text_of(f"/proc/{entry}/comm").strip()):
            found[int(entry)] = name, _unit(text_of(f"/proc/{entry}/cgroup"))
    return found


def _unit(cgroup: str) -> str:
    """Return the unit of systemd that a process belongs to."""
    for line in cgroup.splitlines():
        controller, _, path = line.partition(":")[2].partition(":")
        if controller in ("", "name=systemd"):
            for part in reversed(path.split("/")):
                if part.endswith((".service", ".scope", ".socket")):
                    return part
    return ""


def clock(running: dict[int, tuple[str, str]]) -> dict[str, Any]:
    """Return who keeps the clock, and whether the kernel calls it synchronised."""
    names = {name for name, _ in running.values()}
    return {
        "services": [name for name in TIME_SERVICES if name in names],
        "is_synchronised": _is_synchronised(),
    }


def _is_synchronised() -> bool | None:
    """Ask adjtimex(2); None where Python lacks what it takes."""
    try:
        import ctypes
    except ImportError:  # python3-minimal
        return True if os.path.exists("/run/systemd/timesync/synchronized") else None
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    return int(state) != 5  # TIME_ERROR: nobody has set it within 16 s of the error it allows
