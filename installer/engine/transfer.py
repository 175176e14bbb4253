"""Carry big files to nodes by OpenSSH processes; paramiko stops at 45 MB/s for all together."""

import logging
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gevent import subprocess
from gevent.pool import Pool

from installer.engine.outcome import Outcome
from installer.engine.target import Target
from installer.errors import InstallerError, NodeUnreachable, PhaseFailed, Problem

logger = logging.getLogger(__name__)

_CONNECT_S = 10
_LIST_S = 60
_CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"
_SSH_FAILED = 255
_CHANGED = 1  # tar's exit code when a file's inode changed while it read; 2 is a failure
_Stamp = tuple[int, int]  # size in bytes, time of change in seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What was sent to one node."""

    files: int
    bytes: int
    seconds: float

    @property
    def bytes_per_second(self) -> float:
        """Return the throughput, the look at what is there included."""
        return self.bytes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Files below one local folder, and the folder below which they arrive."""

    source: Path
    names: Sequence[str]  # relative to source, with / for folders
    destination: str


def send_to_each(
    shipments: Mapping[Target, Shipment], *, parallel: int = 10, timeout_s: int = 1800
) -> dict[str, Outcome[Transfer]]:
    """Send to every target its shipment, side by side; a failing node does not end the others."""
    pool = Pool(parallel)
    running = {
        target.name: pool.spawn(_outcome, target, shipment, timeout_s)
        for target, shipment in shipments.items()
    }
    pool.join()
    return {name: greenlet.get() for name, greenlet in running.items()}


def _outcome(target: Target, shipment: Shipment, timeout_s: int) -> Outcome[Transfer]:
    started = time.monotonic()
    try:
        value = send_tree(target, shipment, timeout_s=timeout_s)
    except InstallerError as error:
        return Outcome(error=error.problems[0], seconds=time.monotonic() - started)
    return Outcome(value=value, seconds=time.monotonic() - started)


def send_tree(target: Target, shipment: Shipment, *, timeout_s: int = 1800) -> Transfer:
    """Send the files that the node lacks, by name, size and time of change (as rsync decides).

    Files arrive below a hidden folder beside their place and are renamed when the stream ended
    well, so that a cut stream leaves no short file under a final name.
    """
    started = time.monotonic()
    wanted = {name: _stamp(shipment.source / name) for name in shipment.names}
    present = _stamps_there(target, shipment.destination)
    missing = [name for name, stamp in wanted.items() if present.get(name) != stamp]
    if missing:
        _stream(target, shipment, {name: wanted[name] for name in missing}, timeout_s)
    sent = sum(wanted[name][0] for name in missing)
    done = Transfer(files=len(missing), bytes=sent, seconds=time.monotonic() - started)
    logger.info("%s: received %d files, %d bytes", target.name, done.files, done.bytes)
    return done


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_size, int(found.st_mtime)


def _stamps_there(target: Target, destination: str) -> dict[str, _Stamp]:
    place = shlex.quote(destination)
    script = f"[ ! -d {place} ] || find {place} -type f -printf '%s %Ts %P\\n'"
    process = _start(target, script, stdin=subprocess.DEVNULL)
    rows = (line.split(" ", 2) for line in _finish(target, process, _LIST_S).splitlines())
    return {name: (int(size), int(changed)) for size, changed, name in rows}


def _stream(target: Target, shipment: Shipment, was: Mapping[str, _Stamp], timeout_s: int) -> None:
    place = shlex.quote(shipment.destination)
    arriving = shlex.quote(shipment.destination.rstrip("/") + "/.arriving")
    script = (
        f"set -eu; umask 022; rm -rf {arriving}; mkdir -p {arriving}; "
        f"tar --extract --no-same-owner --directory {arriving}; "
        f"cd {arriving}; find . -type d -exec mkdir -p {place}/{{}} ';'; "
        f"find . -type f -exec mv -f -- {{}} {place}/{{}} ';'; cd /; rm -rf {arriving}"
    )
    words = ["tar", "--create", "--directory", str(shipment.source), "--null", "--files-from=-"]
    pipe = subprocess.PIPE
    tar = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe)
    receiver = _start(target, script, stdin=tar.stdout)
    tar.stdout.close()
    tar.stdin.write(b"\0".join(name.encode() for name in was))
    tar.stdin.close()
    try:
        _finish(target, receiver, timeout_s)
    finally:
        tar.kill()
        said = tar.stderr.read().decode("utf-8", "replace")
        tar.stderr.close()
        code = tar.wait()
    if code == _CHANGED and all(_stamp(shipment.source / n) == each for n, each in was.items()):
        return  # another bundle was built meanwhile, which links the same files
    if code > 0:  # negative: our own kill, after the node ended the stream
        what = f"the files could not be read here: {said.strip()[-300:]}"
        raise PhaseFailed(Problem(where=target.name, what=what, remedy=f"see {shipment.source}"))


def _start(target: Target, script: str, *, stdin: object) -> subprocess.Popen:
    return subprocess.Popen(
        script_words(target, script),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def script_words(target: Target, script: str) -> list[str]:
    """Return the words that run a shell script on a node as root."""
    if target.is_local:
        return ["sh", "-c", script]
    root = "" if target.user == "root" else "sudo -n "
    return [*ssh_words(target), f"{root}sh -c {shlex.quote(script)}"]


def ssh_words(target: Target) -> list[str]:
    """Return the words of an OpenSSH login with the same key and pinned host keys as the engine."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(_CONNECT_S),
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
        "Compression": "no",  # archives are compressed
        "Ciphers": _CIPHERS,  # in hardware, 3 times faster than the default
        "IPQoS": "throughput",
    }
    if target.known_hosts is not None:
        options["UserKnownHostsFile"] = target.known_hosts
    words = ["ssh", "-F", "none", "-p", str(target.port), "-l", target.user]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    if target.private_key is not None:
        words += ["-i", target.private_key, "-o", "IdentitiesOnly=yes"]
    return [*words, "--", str(target.address)]


def _finish(target: Target, process: subprocess.Popen, timeout_s: int) -> str:
    """Return the process's stdout. Raises with its last words, or when it takes too long."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        what = f"the transfer did not end within {timeout_s} s"
        raise NodeUnreachable(_problem(target, what)) from error
    if process.returncode == 0:
        return str(out.decode("utf-8", "replace"))
    said = " / ".join(err.decode("utf-8", "replace").strip().splitlines()[-3:])
    kind = NodeUnreachable if process.returncode == _SSH_FAILED else PhaseFailed
    raise kind(_problem(target, f"the transfer failed: {said}"))


def _problem(target: Target, what: str) -> Problem:
    remedy = "check the host's network and disk, then run again: only what is missing is sent"
    return Problem(where=target.name, what=what, remedy=remedy)
