"""A connection's double: an agent runs on this machine by a real shell, without SSH or root."""

import shutil
import subprocess
import tempfile
import weakref
from unittest import mock

from installer.engine import wire
from installer.engine.agent import Request
from installer.engine.session import Session
from installer.engine.target import Target
from installer.engine.wire import agent_text, command, request_text


class Shell:
    """Runs what a session sends, by an agent of its own, as a process of this user.

    What belongs below /var/lib/cfy_manager is in a folder of its own.
    """

    def __init__(self, name="node", before=""):
        self.target = Target(name)
        self.before = before
        self.home = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, self.home)

    def execute(self, request: Request):
        source = wire._source
        elsewhere = lambda name: source(name).replace("/var/lib/cfy_manager", self.home)  # noqa: E731
        with mock.patch.object(wire, "_source", elsewhere):
            told = request_text(request.program, request.body, limit_s=request.limit_s)
        done = subprocess.run(
            ["sh", "-c", self.before + command(sudo=False)],
            input=(agent_text() + told).encode(),
            capture_output=True,
            timeout=request.limit_s + 10,
        )
        return done.stdout.decode().splitlines(), done.stderr.decode().splitlines()


def local_session():
    return Session(Shell())
