"""Blueprints and executions of a manager on loopback, for tests of what runs them."""

import io
import tarfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.runtime import Runtime

ENDS = ("terminated", "failed", "cancelled")
_BLUEPRINT_ENDS = ("uploaded", "failed_uploading", "failed_extracting", "failed_parsing", "invalid")
_HEAD = "tosca_definitions_version: cloudify_dsl_1_3\nimports: [cloudify/types/types.yaml]\n"


@dataclass(frozen=True)
class Engine:
    """The administrator, without the client in between."""

    runtime: Runtime

    def deploy(self, name: str, files: Mapping[str, str]) -> str:
        """Upload a blueprint of these files and make a deployment of it, both of this name."""
        call = self.runtime.call
        headers = {"Content-Type": "application/octet-stream"}
        params = {"application_file_name": "blueprint.yaml"}
        call("PUT", f"/blueprints/{name}", params=params, data=archive(files), headers=headers)
        where = f"/blueprints/{name}?_include=state,error"
        found = self._await(lambda: call("GET", where), "state", _BLUEPRINT_ENDS)
        assert found["state"] == "uploaded", found
        call("PUT", f"/deployments/{name}", json={"blueprint_id": name, "inputs": {}})
        listing = f"/executions?deployment_id={name}&_include_system_workflows=true"
        made = self._await(lambda: call("GET", listing)["items"][0], "status", ENDS)
        assert made["status"] == "terminated", made
        return name

    def start(self, deployment: str, workflow: str, **options: Any) -> str:
        """Start a workflow and return its execution."""
        body = {"deployment_id": deployment, "workflow_id": workflow, **options}
        execution: str = self.runtime.call("POST", "/executions", json=body)["id"]
        return execution

    def act(self, execution: str, action: str) -> None:
        """Cancel, kill or resume an execution."""
        self.runtime.call("POST", f"/executions/{execution}", json={"action": action})

    def execution(self, execution: str) -> dict[str, Any]:
        """Return an execution as it is now."""
        found: dict[str, Any] = self.runtime.call("GET", f"/executions/{execution}")
        return found

    def end_of(self, execution: str, timeout_s: float = 120) -> dict[str, Any]:
        """Return an execution once it has ended."""
        return self._await(lambda: self.execution(execution), "status", ENDS, timeout_s)

    def run(self, deployment: str, workflow: str, **options: Any) -> dict[str, Any]:
        """Run a workflow to its end."""
        return self.end_of(self.start(deployment, workflow, **options))

    def operations(self, execution: str) -> list[dict[str, Any]]:
        """Return the operations that workers ran, or will."""
        listing = f"/operations?execution_id={execution}&_size=1000"
        items = self.runtime.call("GET", listing)["items"]
        return [item for item in items if item["type"] == "RemoteWorkflowTask"]

    def events(self, execution: str) -> Counter[str]:
        """Return how often each kind of event was told."""
        items = self.runtime.call("GET", f"/events?execution_id={execution}&_size=1000")["items"]
        return Counter(item["event_type"] for item in items if item["type"] == "cloudify_event")

    def logs(self, execution: str) -> list[str]:
        """Return the lines of the log."""
        where = f"/events?execution_id={execution}&type=cloudify_log&_size=1000"
        return [item["message"] for item in self.runtime.call("GET", where)["items"]]

    def _await(
        self, ask: Any, key: str, wanted: tuple[str, ...], timeout_s: float = 120
    ) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while True:
            found: dict[str, Any] = ask()
            if found[key] in wanted:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{found}\n{self.runtime.worker.last_words()}")
            time.sleep(0.02)


def script_nodes(count: int, script: str, *, name: str = "s.py", **options: Any) -> dict[str, str]:
    """Return a blueprint of nodes whose create operation runs a script."""
    further = "".join(f", {key}: {value}" for key, value in options.items())
    nodes = "".join(f"  n{number}: {{type: scripted}}\n" for number in range(count))
    text = f"""{_HEAD}node_types:
  scripted:
    derived_from: cloudify.nodes.Root
    interfaces:
      cloudify.interfaces.lifecycle:
        create: {{implementation: {name}, executor: central_deployment_agent{further}}}
node_templates:
{nodes}"""
    return {"blueprint.yaml": text, name: script}


def archive(files: Mapping[str, str]) -> bytes:
    """Return a blueprint's archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"blueprint/{name}")
            info.size, info.mode = len(text.encode()), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def wait_for(path: Path, lines: int, timeout_s: float = 60) -> list[str]:
    """Return a file's lines once there are so many."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = path.read_text().splitlines() if path.exists() else []
        if len(found) >= lines:
            return found
        assert time.monotonic() < deadline, f"{path}: {len(found)} of {lines} lines"
        time.sleep(0.01)
