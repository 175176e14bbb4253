"""Carry what a script on one node writes into a script on another: any size, never on our disk."""

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import gevent
from gevent import subprocess

from installer.engine.target import Target
from installer.engine.transfer import script_words
from installer.errors import NodeUnreachable, PhaseFailed, Problem

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20
_SSH_FAILED = 255
_WORDS = 500  # of what a script says at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a stream: a node and the shell script there that writes it, or reads it."""

    target: Target
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What went through."""

    bytes: int
    sha256: str


def carry(source: End, destination: End, *, timeout_s: float) -> Carried:
    """Run both scripts, the stdout of one into the stdin of the other, and return what went over.

    Raises PhaseFailed with the last words of the one that failed; what the destination has made by
    then counts for nothing.
    """
    try:
        with (
            gevent.Timeout(timeout_s),
            _running(source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reader,
            _running(destination, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as writer,
        ):
            return _pump(reader, writer)
    except gevent.Timeout as error:
        what = f"the stream to {destination.target.name} did not end within {timeout_s:.0f} s"
        raise NodeUnreachable(_problem(source.target, what)) from error


@dataclass(slots=True)
class _Script:
    """A script that runs, and the file of what it says besides."""

    end: End
    process: Any  # gevent's Popen has no types
    errors: IO[bytes]

    def demand_success(self) -> None:
        code = self.process.wait()
        if code == 0:
            return
        self.errors.seek(0)
        said = self.errors.read().decode("utf-8", "replace").strip()[-_WORDS:]
        kind = NodeUnreachable if code == _SSH_FAILED else PhaseFailed
        raise kind(_problem(self.end.target, said or f"exit {code}"))


@contextmanager
def _running(end: End, **pipes: object) -> Iterator[_Script]:
    with tempfile.TemporaryFile() as errors:
        words = script_words(end.target, f"set -eu\n{end.script}")
        process = subprocess.Popen(words, stderr=errors, start_new_session=True, **pipes)
        try:
            yield _Script(end, process, errors)
        finally:
            process.kill()  # one that has ended takes no harm
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)


def _pump(reader: _Script, writer: _Script) -> Carried:
    digest, size = hashlib.sha256(), 0
    try:
        while chunk := reader.process.stdout.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            writer.process.stdin.write(chunk)
        reader.demand_success()  # before the other end is told that this was all
        writer.process.stdin.close()
    except BrokenPipeError:
        writer.demand_success()
        raise
    writer.demand_success()
    logger.info("%s to %s: %d bytes", reader.end.target.name, writer.end.target.name, size)
    return Carried(bytes=size, sha256=digest.hexdigest())


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except BrokenPipeError:  # what was not read is nobody's: the end that failed has been told of
        logger.debug("a stream was cut")


def _problem(target: Target, what: str) -> Problem:
    remedy = "mend what it tells and run the same command again"
    return Problem(where=target.name, what=what, remedy=remedy)
