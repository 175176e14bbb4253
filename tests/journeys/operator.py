"""A person at the genuine client: what the journeys are told in."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tests.support.cfy_client import Cfy, CfyError, Login

BLUEPRINTS = Path(__file__).parents[1] / "support" / "blueprints"
T = TypeVar("T")
_CREATE_ENVIRONMENT = "create_deployment_environment"
COMPLETED = "completed"  # what the client shows for `terminated`
_ENDED = (COMPLETED, "failed", "cancelled")


def unique(name: str) -> str:
    """Return an id that no other journey has."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Operator:
    """Uploads, installs and looks, all by `cfy`."""

    cfy: Cfy

    def logged_in_as(self, folder: Path, **changes: Any) -> "Operator":
        """Return another person, or the same one in another tenant."""
        login: Login = replace(self.cfy.login, **changes)
        return Operator(Cfy(folder, login, self.cfy.before).log_in())

    def upload(self, name: str, folder: Path | None = None) -> str:
        """Upload one of the blueprints and return its id."""
        blueprint = unique(name)
        path = (folder or BLUEPRINTS / name) / "blueprint.yaml"
        self.cfy.run("blueprints", "upload", path, "-b", blueprint)
        return blueprint

    def deploy(self, blueprint: str, inputs: Mapping[str, Any] | None = None, *labels: str) -> str:
        """Create a deployment, wait for its environment, and return its id."""
        deployment = unique(blueprint)
        words = ["-i", json.dumps(inputs)] if inputs else []
        words += ["--labels", ",".join(labels)] if labels else []
        self.cfy.run("deployments", "create", deployment, "-b", blueprint, *words)
        self.wait_for_workflow(deployment, _CREATE_ENVIRONMENT)
        return deployment

    def install(self, name: str, inputs: Mapping[str, Any] | None = None) -> str:
        """Bring a blueprint to an installed deployment and return its id."""
        deployment = self.deploy(self.upload(name), inputs)
        self.execute(deployment, "install")
        return deployment

    def execute(self, deployment: str, workflow: str, **parameters: Any) -> dict[str, Any]:
        """Run a workflow that must succeed and return its execution."""
        words = self._start(deployment, workflow, parameters)
        self.cfy.run(*words)
        return self.last(deployment, workflow)

    def execute_to_failure(self, deployment: str, workflow: str) -> tuple[str, str]:
        """Run a workflow that must fail; return its execution's id and what the client says."""
        done = self.cfy.try_run(*self._start(deployment, workflow, {}))
        said = done.stdout + done.stderr
        execution = self.last(deployment, workflow)
        assert execution["status"] == "failed", said
        assert done.returncode == 1, "the client tells the failure by its exit code"
        return str(execution["id"]), said

    def begin(self, deployment: str, workflow: str, message: str) -> str:
        """Start a workflow, leave it once it has said a message, and return its execution's id."""
        done = self.cfy.try_run(*self._start(deployment, workflow, {}), "--timeout", "1")
        assert done.returncode == 1, done.stdout
        execution = str(self.last(deployment, workflow)["id"])
        wait_for(lambda: self.events(execution), lambda events: message in messages(events))
        return execution

    def _start(self, deployment: str, workflow: str, parameters: Mapping[str, Any]) -> list[str]:
        words = ["executions", "start", workflow, "-d", deployment]
        return [*words, "-p", json.dumps(parameters)] if parameters else words

    def executions(self, deployment: str) -> list[dict[str, Any]]:
        """Return a deployment's executions in the order of their creation."""
        words = ("executions", "list", "-d", deployment, "--include-system-workflows")
        found: list[dict[str, Any]] = self.cfy.json(*words)
        return sorted(found, key=lambda execution: str(execution["created_at"]))

    def last(self, deployment: str, workflow: str) -> dict[str, Any]:
        """Return the newest execution of a workflow."""
        found = [e for e in self.executions(deployment) if e["workflow_id"] == workflow]
        assert found, f"{deployment} has no execution of {workflow}"
        return found[-1]

    def wait_for_workflow(self, deployment: str, workflow: str) -> None:
        """Wait until a workflow that something else began has succeeded."""
        wait_for(
            lambda: self.executions(deployment), lambda shown: _status_of(shown, workflow) in _ENDED
        )
        assert self.last(deployment, workflow)["status"] == COMPLETED

    def wait_for_status(self, execution: str, status: str, *, timeout_s: float = 60) -> None:
        """Wait until an execution has a status."""
        wait_for(
            lambda: self.cfy.json("executions", "get", execution),
            lambda shown: bool(shown["status"] == status),
            timeout_s=timeout_s,
        )

    def events(self, execution: str) -> list[dict[str, Any]]:
        """Return an execution's events and logs."""
        return self.cfy.json_lines("events", "list", "--include-logs", execution)

    def outputs(self, deployment: str) -> dict[str, Any]:
        """Return the values of a deployment's outputs."""
        return _values(self.cfy.json("deployments", "outputs", deployment))

    def capabilities(self, deployment: str) -> dict[str, Any]:
        """Return the values of a deployment's capabilities."""
        return _values(self.cfy.json("deployments", "capabilities", deployment))

    def instances(self, deployment: str, node: str | None = None) -> list[dict[str, Any]]:
        """Return the node instances of a deployment, or of one of its nodes."""
        found = self.cfy.json("node-instances", "list", "-d", deployment)
        return [i for i in found if node is None or i["node_id"] == node]

    def properties(self, deployment: str, node: str) -> dict[str, Any]:
        """Return the runtime properties of a node's only instance."""
        (instance,) = self.instances(deployment, node)
        shown = self.cfy.json("node-instances", "get", instance["id"])
        properties: dict[str, Any] = shown["runtime_properties"]
        return properties

    def states(self, deployment: str) -> dict[str, str]:
        """Return the states of a deployment's instances by node; a node of one state has one."""
        return {i["node_id"]: i["state"] for i in self.instances(deployment)}

    def refusal(self, *words: str | Path) -> str:
        """Return what the client says of a command that must fail."""
        done = self.cfy.try_run(*words)
        if done.returncode == 0:
            raise CfyError(f"cfy {' '.join(map(str, words))} was not refused\n{done.stdout}")
        return done.stdout + done.stderr

    def remove(self, deployment: str) -> None:
        """Delete a deployment and wait until it is gone."""
        self.cfy.run("deployments", "delete", deployment)
        shown = self.cfy.json("deployments", "list")
        assert deployment not in {each["id"] for each in shown}


def wait_for(ask: Callable[[], T], is_reached: Callable[[T], bool], *, timeout_s: float = 60) -> T:
    """Ask until the answer is the one awaited; return it."""
    deadline = time.monotonic() + timeout_s
    while not is_reached(answer := ask()):
        assert time.monotonic() < deadline, f"not in {timeout_s} s; last: {answer}"
        time.sleep(0.3)
    return answer


def messages(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what events and logs say."""
    return [str(event["message"]["text"]) for event in events]


def event_types(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the types of the events in order; logs have none."""
    return [str(event["event_type"]) for event in events if event.get("event_type")]


def _status_of(executions: Iterable[Mapping[str, Any]], workflow: str) -> str | None:
    found = [str(e["status"]) for e in executions if e["workflow_id"] == workflow]
    return found[-1] if found else None


def _values(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return name and value of what the client shows with its description."""
    return {name: each["value"] for name, each in shown.items()}
