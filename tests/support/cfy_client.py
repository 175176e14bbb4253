"""The genuine client `cfy` 7.0.5, with a folder and a login of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))


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


@dataclass(frozen=True)
class Cfy:
    """The client; `before` puts words before the command, such as those that enter a network."""

    folder: Path
    login: Login
    before: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def log_in(self) -> "Cfy":
        """Point the client at its manager."""
        login = self.login
        words = ["-u", login.username, "-p", login.password, "-t", login.tenant]
        words += ["--ssl", "-c", str(login.ca), "--rest-port", str(login.port)]
        self.run("profiles", "use", login.address, *words)
        return self

    def try_run(
        self, *words: str | Path, timeout_s: float = 90
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever becomes of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "CFY_WORKDIR": str(self.folder),
            "LC_ALL": "C.UTF-8",
            **self.variables,
        }
        return subprocess.run(
            [*self.before, cfy_command(), *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

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
