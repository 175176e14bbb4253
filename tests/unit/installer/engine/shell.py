"""A connection's double: commands run on this machine by a real shell, without SSH or root."""

import subprocess

from installer.engine.session import Session
from installer.engine.target import Target


class Shell:
    """Runs what a session sends as a process of this user."""

    needs_sudo = False

    def __init__(self, name="node"):
        self.target = Target(name)
        self.lines = []

    def execute(self, line, stdin, timeout_s):
        self.lines.append(line)
        done = subprocess.run(
            ["sh", "-c", line], input=f"{stdin}\n".encode(), capture_output=True, timeout=timeout_s
        )
        return done.stdout.decode().splitlines(), done.stderr.decode().splitlines()


def local_session():
    return Session(Shell())
