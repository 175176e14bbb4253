"""Tell how this node is: what its services answer, its units, files, certificates and disks."""

from __future__ import annotations

import os
import threading
import time

from installer.engine.node.asks import get, holds_address, say_to_socket, tls_context
from installer.engine.node.base import Failure
from installer.engine.node.dpkg import STATUS
from installer.engine.node.sql import ask as ask_sql
from installer.engine.node.sql import connect
from installer.engine.node.tls import ssl
from installer.engine.node.written import state_of, written

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from collections.abc import Callable
    from typing import Any

_PLACES = ("/", "/var", "/var/lib", "/var/lib/postgresql", "/var/lib/etcd", "/var/lib/rabbitmq")
_MORE_PLACES = ("/var/log", "/opt/manager/resources", "/tmp")  # noqa: S108 - only looked at
_ENVIRONMENTS = ("/opt/cfy_manager/env/lib", "/opt/manager/env/lib")
_OURS = "cfy_manager-"
_PROPERTIES = "Id,ActiveState,SubState,Result"


class _Answers:
    """Questions that are asked side by side; one that is late is told as late."""

    def __init__(self, limit_s: float) -> None:
        self._end = time.monotonic() + limit_s
        self.limit_s = limit_s
        self._told: dict[str, Any] = {}
        self._threads: dict[str, threading.Thread] = {}

    def fail(self, name: str, error: Exception) -> None:
        """Take that it cannot even be asked for its answer."""
        self._told[name] = ("failed", _words(error))

    def ask(self, name: str, question: Callable[..., Any], *words: Any) -> None:
        """Begin to ask."""

        def answer() -> None:
            try:
                self._told[name] = ("ok", question(*words))
            except Exception as error:  # whatever it is: this service cannot tell how it is
                self._told[name] = ("failed", _words(error))

        self._threads[name] = threading.Thread(target=answer, daemon=True)
        self._threads[name].start()

    def told(self) -> dict[str, Any]:
        """Return all answers, those that came in time."""
        for thread in self._threads.values():
            thread.join(max(0.0, self._end - time.monotonic()))
        late = ("failed", f"no answer within {self.limit_s:.0f} s")
        return {**dict.fromkeys(self._threads, late), **self._told}


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Return everything at once: a second round trip would cost more than all of it."""
    now = time.time()
    answers = _Answers(request["limit_s"])
    for name, database, question in request.get("sql", ()):
        _ask_sql(answers, name, database, question)
    _ask_services(answers, request)
    for name, path, words in request.get("sockets", ()):
        answers.ask(name, say_to_socket, path, words, answers.limit_s)
    found = _own_facts(request) if request.get("looks", True) else {}
    return {"time": now, "answers": answers.told(), **found}


def _ask_sql(answers: _Answers, name: str, database: str, question: str) -> None:
    """Connect now, before threads that need root's rights, and ask beside them."""
    try:
        connection = connect(answers.limit_s)
    except (OSError, KeyError) as error:
        answers.fail(name, error)
        return
    answers.ask(name, ask_sql, connection, database, question)


def _ask_services(answers: _Answers, request: dict[str, Any]) -> None:
    wanted = request.get("gets", {})
    try:
        context = tls_context(request["tls"]) if wanted else None
    except OSError as error:
        place = ", ".join(request["tls"].values())
        raise Failure(
            place,
            f"this node's certificate cannot be used: {_words(error)}",
            "`cfy_manager cluster install` brings it again",
        ) from error
    for name, ask in wanted.items():
        if "key_file" in ask:
            ask["headers"] = {ask["key_header"]: _first_line(ask["key_file"])}
        answers.ask(name, get, ask, context, answers.limit_s)


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return ""  # then the service refuses, which is told


def _own_facts(request: dict[str, Any]) -> dict[str, Any]:
    record = written()
    units = [name for name, state in record.get("unit", {}).items() if state == "running"]
    systemd = _ask_systemd(units) if units else None  # it works while we look at files
    changed, removed = _drift(record)
    virtual = request.get("virtual_ip")
    return {
        "is_installed": bool(record),
        "changed": changed,
        "removed": removed,
        "certificates": _certificates(record.get("file", {})),
        "disks": _disks(),
        "packages": _versions(set(record.get("package", ()))),
        "own_version": _own_version(),
        "holds_virtual_ip": holds_address(virtual) if virtual else None,
        "units": _output(systemd) if systemd else "",
    }


def _drift(record: dict[str, dict[str, str]]) -> tuple[list[str], list[str]]:
    """Return files that are not as our last run left them; what a person decided on is none."""
    changed, removed = [], []
    for path, state in record.get("file", {}).items():
        if path in record.get("kept", {}):
            continue
        try:
            if os.path.islink(path) or state_of(path) != state:
                changed.append(path)
        except (FileNotFoundError, NotADirectoryError):
            removed.append(path)
        except (OSError, KeyError):  # a folder in its place, an owner without a name
            changed.append(path)
    return changed, removed


def _ask_systemd(units: list[str]) -> tuple[int, int]:
    """Start one `systemctl show`; return its process and where it writes.

    By hand, because `subprocess` costs 10 ms on every node.
    """
    reading, writing = os.pipe()
    words = ["systemctl", "show", f"--property={_PROPERTIES}", "--", *units]
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)]
    process = os.posix_spawnp(words[0], words, dict(os.environ), file_actions=actions)
    os.close(writing)
    return process, reading


def _output(asked: tuple[int, int]) -> str:
    process, reading = asked
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read()
    os.waitpid(process, 0)
    return said


def _certificates(files: dict[str, str]) -> dict[str, str]:
    """Return until when each certificate of ours is valid, as OpenSSL says it."""
    found: dict[str, str] = {}
    if ssl is None:
        return found
    for path in files:
        if path.endswith((".crt", ".pem")) and not path.endswith("key.pem"):
            try:
                found[path] = ssl._ssl._test_decode_cert(path)["notAfter"]  # type: ignore[attr-defined]
            except OSError:
                continue  # gone or no certificate: that is told as a changed file
    return found


def _disks() -> dict[str, tuple[int, int, int, int]]:
    """Return size and free bytes, inodes and free inodes of each file system that we fill."""
    seen: set[int] = set()
    found = {}
    for place in (*_PLACES, *_MORE_PLACES):
        try:
            device = os.stat(place).st_dev
        except OSError:
            continue
        if device not in seen:
            seen.add(device)
            room = os.statvfs(place)
            size = (room.f_blocks - room.f_bfree + room.f_bavail) * room.f_frsize
            found[place] = (size, room.f_bavail * room.f_frsize, room.f_files, room.f_favail)
    return found


def _versions(names: set[str]) -> dict[str, str]:
    """Return the version of each package that is there, from dpkg's own file."""
    found, name = {}, ""
    with open(STATUS, encoding="utf-8", errors="replace") as status:
        for line in status:
            if line.startswith("Package: "):
                name = line[9:-1]
            elif name in names and line.startswith("Version: "):
                found[name] = line[9:-1]
    return found


def _own_version() -> str:
    """Return the version of our software; several where an upgrade is half done."""
    found = set()
    for folder in _ENVIRONMENTS:
        for python in _names(folder):
            for name in _names(f"{folder}/{python}/site-packages"):
                if name.startswith(_OURS) and name.endswith(".dist-info"):
                    found.add(name[len(_OURS) : -len(".dist-info")])
    return ", ".join(sorted(found))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
