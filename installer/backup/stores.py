"""Files of a backup's parts, kept in the repository beside the database's backups."""

import base64
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from installer.backup.parts import Ask
from installer.backup.settings import STANZA
from installer.engine.outcome import Result
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem
from installer.roles.database.sql import AS_POSTGRES

_FOLDER = "cfy"  # beside pgBackRest's own `archive` and `backup`
_SEALED = """\
pass=$(sed -n 's/^repo1-cipher-pass=//p' /etc/pgbackrest/pgbackrest.conf)
if [ -n "$pass" ]; then export PGBACKREST_CIPHER_PASS="$pass"; fi
"""
_CHUNK = 180_000  # bytes; a script's output is told up to 256 KiB, and base64 adds a third
_LIMIT_S = 900


@dataclass(frozen=True, slots=True)
class RepositoryStore:
    """The repository as a database node reaches it: pgBackRest speaks to every kind of it."""

    ask: Ask
    node: str

    def put(self, label: str, name: str, content: bytes) -> None:
        """Keep a file of a set; one of the same name is replaced."""
        text = base64.encodebytes(content).decode()
        self._run(f"base64 -d <<'CONTENT' | {_repo('repo-put', label, name)}\n{text}CONTENT\n")

    def get(self, label: str, name: str) -> bytes:
        """Return a file of a set."""
        content = b""
        while True:
            part = f"tail -c +{len(content) + 1} | head -c {_CHUNK} | base64"
            read = f"{{ {_repo('repo-get', label, name)}; }} | {{ {part}; cat > /dev/null; }}"
            chunk = base64.b64decode(self._run(read))
            content += chunk
            if len(chunk) < _CHUNK:
                return content

    def labels(self) -> frozenset[str]:
        """Return the labels of which there are files."""
        return frozenset(self._run(_repo("repo-ls")).split())

    def remove(self, label: str) -> None:
        """Take away every file of a set; none is fine."""
        self._run(_repo("repo-rm", label) + " --recurse")

    def _run(self, script: str) -> str:
        return self.ask(self.node, _said(f"cd /\n{_SEALED}{script}\n"))


def _repo(verb: str, *path: str) -> str:
    where = shlex.quote("/".join((_FOLDER, *path)))
    return f"{AS_POSTGRES} pgbackrest --stanza={STANZA} {verb} {where}"


def _said(script: str) -> Callable[[Session], str]:
    def run(session: Session) -> str:
        done = session.run(script, timeout_s=_LIMIT_S)
        if done.code:
            raise PhaseFailed(_problem(session.name, done))
        return done.stdout

    return run


def _problem(node: str, done: Result) -> Problem:
    return Problem(
        where=node,
        what=f"the repository of the backups: {done.stderr.strip()[-500:]}",
        remedy="mend what it tells and run the same command again",
        code="backup-failed",
    )
