"""The genuine client `cfy` 7.0.5, with a folder and a login of its own."""

import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))


Done = subprocess.CompletedProcess[str]


class CfyError(AssertionError):
    """The client ended with an error; its words are the message."""


def cfy_command() -> str:
    """Return the client's path: CFY_BIN's, the one that script/cfy made, or one on the PATH."""
    made = _CACHE / "cfy_manager" / "cfy-7.0.5" / "bin"
    places = f"{os.environ.get('CFY_BIN', '')}:{made}"
    found = shutil.which("cfy", path=places) or shutil.which("cfy")
    return found or str(ROOT / "script" / "cfy")


@dataclass(frozen=True)
class Login:
    """Where a manager is and who asks; `ca` verifies it."""

    address: str
    port: int
    ca: Path
    username: str
    password: str
    tenant: str = "default_tenant"


@dataclass
class Cfy:
    """The client; `before` puts words before the command, such as those that enter a network.

    Its commands run in forks of one process that has imported it: a start costs half a second.
    """

    folder: Path
    login: Login
    before: Sequence[str] = ()
    _server: subprocess.Popen[str] | None = None

    def log_in(self) -> "Cfy":
        """Point the client at its manager."""
        login = self.login
        words = ["-u", login.username, "-p", login.password, "-t", login.tenant]
        words += ["--ssl", "-c", str(login.ca), "--rest-port", str(login.port)]
        self.folder.mkdir(parents=True, exist_ok=True)
        done = self.start_alone("profiles", "use", login.address, *words)
        if done.returncode:
            raise CfyError(f"no login to {login.address}\n{done.stdout}\n{done.stderr}")
        return self

    def start_alone(self, *words: str | Path, timeout_s: float = 90) -> Done:
        """Run a command as a person does: in a process of its own, its start included."""
        command = [*self.before, cfy_command(), *map(str, words)]
        options: dict[str, Any] = {"capture_output": True, "text": True, "env": self._environment}
        return subprocess.run(command, **options, timeout=timeout_s, check=False)

    def try_run(self, *words: str | Path, timeout_s: float = 90) -> Done:
        """Run a command, whatever becomes of it."""
        server = self._server or self._start_server()
        assert server.stdin is not None
        assert server.stdout is not None
        given = [str(word) for word in words]
        server.stdin.write(json.dumps(given) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], timeout_s)[0]:
            self.close()
            raise subprocess.TimeoutExpired(["cfy", *given], timeout_s)
        code, output, errors = json.loads(server.stdout.readline())
        return Done(["cfy", *given], code, output, errors)

    def close(self) -> None:
        """End the process that runs the commands, and a command that still runs."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.communicate()
            self._server = None

    def __del__(self) -> None:
        self.close()

    def _start_server(self) -> subprocess.Popen[str]:
        python = Path(cfy_command()).with_name("python")
        program = Path(__file__).parent / "programs" / "serve_cfy.py"
        self._server = subprocess.Popen(
            [*self.before, str(python), "-W", "ignore", str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            process_group=0,
            text=True,
        )
        return self._server

    @property
    def _environment(self) -> dict[str, str]:
        place = str(self.folder)
        return {**os.environ, "HOME": place, "CFY_WORKDIR": place, "LC_ALL": "C.UTF-8"}

    def run(self, *words: str | Path, timeout_s: float = 90) -> str:
        """Run a command that must succeed and return what it prints."""
        done = self.try_run(*words, timeout_s=timeout_s)
        if done.returncode:
            shown = " ".join(map(str, words))
            raise CfyError(f"cfy {shown} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def json(self, *words: str | Path, timeout_s: float = 90) -> Any:
        """Return what a command prints as JSON."""
        output = self.run(*words, "--json", timeout_s=timeout_s)
        return json.loads(output)

    def json_lines(self, *words: str | Path) -> list[Any]:
        """Return what a command prints as a JSON document a line."""
        return [json.loads(line) for line in self.run(*words, "--json").splitlines()]
