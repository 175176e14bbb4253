"""What is installed on the node already, of ours and of others, and whether apt is free."""

from __future__ import annotations

import os
import re

from installer.engine.node.facts_system import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_MARK = "Managed by the installer."
_LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
_STATUS = re.compile(r"^(Package|Status|Version): (.*)$", re.M)


def packages(names: list[str]) -> dict[str, Any]:
    """Return the version of each named package that is there, and all that are half-way."""
    wanted = re.compile("|".join(names) or "(?!)")
    found, halfway = {}, []
    for paragraph in text_of("/var/lib/dpkg/status", 1 << 26).split("\n\n"):
        fields = dict(_STATUS.findall(paragraph))
        name, state = fields.get("Package", ""), fields.get("Status", "").split()
        if len(state) != 3:
            continue
        if state[2].startswith(("half-", "unpacked", "triggers-")) or state[1] != "ok":
            halfway.append(name)
        if state[2] == "installed" and wanted.fullmatch(name):
            found[name] = fields.get("Version", "")
    return {"installed": found, "halfway": halfway}


def marks(paths: list[str]) -> list[str]:
    """Return those of these files that are ours."""
    return [path for path in paths if _MARK in text_of(path, 4096)]


def masked(units: list[str]) -> list[str]:
    """Return those of these units that the owner has masked."""
    return [unit for unit in units if _link(f"/etc/systemd/system/{unit}") == "/dev/null"]


def enabled(units: list[str]) -> list[str]:
    """Return those of these units that start at boot."""
    place = "/etc/systemd/system/multi-user.target.wants"
    return [unit for unit in units if os.path.lexists(f"{place}/{unit}")]


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def filled(patterns: list[str]) -> dict[str, str]:
    """Return for each pattern the first path that it matches, where one does."""
    import glob

    return {pattern: paths[0] for pattern in patterns if (paths := sorted(glob.glob(pattern)))}


def identities(etcd: str, clusters: str) -> dict[str, Any]:
    """Return to which cluster the data of etcd and of PostgreSQL belong, and etcd's token."""
    token = re.search(r"^initial-cluster-token: (\S+)", text_of("/etc/etcd/etcd.yml"), re.M)
    return {
        "etcd_token": token.group(1) if token else "",
        "etcd_cluster_id": _etcd_cluster_id(f"{etcd}/member/wal"),
        "postgresql_system_id": _system_id(clusters),
    }


def _system_id(clusters: str) -> str:
    """Return what initdb named the cluster: the first eight bytes of its control file."""
    import glob

    for path in sorted(glob.glob(f"{clusters}/*/main/global/pg_control")):
        with open(path, "rb") as file:
            return str(int.from_bytes(file.read(8), "little"))
    return ""


def _etcd_cluster_id(folder: str) -> str:
    """Return the cluster's id from the head of the oldest log that is kept.

    A log begins with frames of (length, record): its checksum, then whose it is.
    Source: etcd, server/storage/wal/encoder.go and walpb/record.proto.
    """
    import glob

    names = sorted(glob.glob(f"{folder}/*.wal"))
    if not names:
        return ""
    with open(names[0], "rb") as file:
        for _ in range(4):
            head = int.from_bytes(file.read(8), "little")
            size = head & ((1 << 56) - 1)
            padding = (head >> 56) & 7 if head >> 63 else 0
            record = _fields(file.read(min(size, 4096)))
            file.read(padding)
            if record.get(1) == 1:  # the record of whose it is
                identity = _fields(record.get(3, b"")).get(2)
                return f"{identity:x}" if identity else ""
    return ""


def _fields(message: bytes) -> dict[int, Any]:
    """Return the fields of a protocol buffer by number; only the kinds that occur in a log."""
    found: dict[int, Any] = {}
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, place = _varint(message, place)
        if key & 7 == 2:  # bytes, after their length
            found[key >> 3] = message[place : place + number]
            place += number
        else:
            found[key >> 3] = number
    return found


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def locks(running: dict[int, tuple[str, str]]) -> list[tuple[str, int, str]]:
    """Return (file, pid, process) of each lock of apt and dpkg that somebody holds."""
    import fcntl
    import struct

    found = []
    for path in _LOCKS:
        try:
            with open(path, "rb") as file:
                asked = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
                told = fcntl.fcntl(file, fcntl.F_GETLK, asked)
        except OSError:
            continue
        kind, _, _, _, pid = struct.unpack("hhqqi", told)
        if kind != fcntl.F_UNLCK:
            found.append((path, pid, running.get(pid, ("", ""))[0]))
    return found
