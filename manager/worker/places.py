"""Where the worker keeps its files, and what its tasks are told of them by their environment."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manager.settings import Settings
from manager.worker import ctx_client


@dataclass(frozen=True, slots=True)
class Places:
    """The folders below the worker's own."""

    work: Path

    @property
    def programs(self) -> Path:
        """Return the folder that is first on the PATH of scripts."""
        return self.work / "bin"

    @property
    def temporary(self) -> Path:
        """Return where tasks put scripts that they run."""
        return self.work / "tmp"

    def installed_plugin(self, plugin: Mapping[str, Any], tenant: str) -> Path | None:
        """Return where a plugin of a known version is installed, if it is."""
        name, version = plugin.get("package_name"), plugin.get("package_version")
        if not name or not version:
            return None
        prefix = self.work / "plugins" / tenant / name / version
        return prefix if (prefix / "plugin.id").is_file() else None

    def prepare(self) -> None:
        """Make the folders and the `ctx` command."""
        for folder in (self.programs, self.temporary, self.work / "plugins"):
            folder.mkdir(parents=True, exist_ok=True)
        command = self.programs / "ctx"
        source = Path(ctx_client.__file__).read_text()
        fresh = command.with_name("ctx.new")
        fresh.write_text(f"#!{own_python()} -IS\n{source}")
        fresh.chmod(0o755)
        fresh.replace(command)


def own_python() -> Path:
    """Return the interpreter of the runtime's environment."""
    return Path(sys.executable)


def task_environment(settings: Settings, places: Places) -> dict[str, str]:
    """Return the environment of tasks, as cloudify-common reads it.

    The password of the brokers is not in it: scripts inherit all of it.
    """
    ca_path = str(settings.manager.ca_path)
    return {
        **os.environ,
        "AGENT_LOG_LEVEL": "INFO",
        "AGENT_WORK_DIR": str(places.work),
        "BROKER_SSL_CERT_PATH": str(settings.rabbitmq.ca_path),
        "CFY_EXEC_TEMP": str(places.temporary),
        "CFY_PLUGINS_ROOT": str(places.work),
        "LOCAL_REST_CERT_FILE": ca_path,
        "MANAGER_FILE_SERVER_ROOT": str(settings.paths.resources),
        "MANAGER_NAME": settings.manager.hostname,
        "MGMTWORKER_HOME": str(places.work),
        "PATH": f"{places.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "REST_HOST": settings.rest.address,
        "REST_PORT": str(settings.rest.port),
        "REST_PROTOCOL": "http",
    }
