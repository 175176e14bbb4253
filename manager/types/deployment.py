"""Another deployment as a component or a shared resource sees it."""

import itertools
from collections.abc import Mapping
from typing import Any

from cloudify.exceptions import NonRecoverableError
from cloudify.models_states import DeploymentState, ExecutionState

from manager.types.work import Document, exists, note, wait_until

_RESERVED = "csys-"


def await_environment(client: Any, deployment_id: str, *, timeout_s: float) -> None:
    """Wait until the deployment's environment is made; raises NonRecoverableError if it fails."""

    def is_made() -> bool:
        deployment = client.deployments.get(deployment_id)
        execution_id = deployment.get("create_execution")
        if not execution_id:
            return True
        execution = client.executions.get(execution_id)
        if execution["status"] in (ExecutionState.FAILED, ExecutionState.CANCELLED):
            raise NonRecoverableError(
                f"The environment of deployment {deployment_id} was not made:"
                f" {execution.get('error')}"
            )
        return bool(execution["status"] == ExecutionState.TERMINATED)

    wait_until(is_made, f"Creation of deployment {deployment_id}", timeout_s=timeout_s)


def free_id(client: Any, prefix: str) -> str:
    """Return `<prefix>-<n>` with the least n that no deployment has."""
    candidates = (f"{prefix}-{number}" for number in itertools.count(1))
    return next(name for name in candidates if not exists(client.deployments, name))


def note_capabilities(client: Any, deployment_id: str) -> None:
    """Take over the deployment's capabilities as the runtime property of that name."""
    reply = client.deployments.capabilities.get(deployment_id)
    note(capabilities=reply.get("capabilities") or {})


def check_deployment_status(client: Any, deployment_id: str) -> None:
    """Raise NonRecoverableError unless the deployment is installed and nothing in it is wrong."""
    deployment = client.deployments.get(deployment_id)
    if deployment.installation_status != DeploymentState.ACTIVE:
        raise NonRecoverableError(
            f"Deployment {deployment_id} is {deployment.installation_status}, not active"
        )
    if deployment.deployment_status == DeploymentState.REQUIRE_ATTENTION:
        raise NonRecoverableError(f"Deployment {deployment_id} requires attention")


def deployment_drift(client: Any, deployment_id: str, wanted: Mapping[str, Any]) -> Document | None:
    """Return which inputs and labels differ from those that are wanted, or None."""
    deployment = client.deployments.get(deployment_id)
    inputs = deployment.get("inputs") or {}
    changed = sorted(
        name for name, value in (wanted.get("inputs") or {}).items() if inputs.get(name) != value
    )
    present = {
        (label["key"], label["value"])
        for label in deployment.get("labels") or ()
        if not label["key"].startswith(_RESERVED)
    }
    asked = {pair for label in wanted.get("labels") or () for pair in label.items()}
    drift: Document = {}
    if changed:
        drift["inputs"] = changed
    if asked - present:
        drift["labels"] = sorted(name for name, _ in asked - present)
    return drift or None
