"""Operations of cloudify.nodes.SharedResource: a deployment that several others use."""

from collections.abc import Mapping
from typing import Any

from cloudify import ctx, manager
from cloudify.exceptions import NonRecoverableError
from cloudify.models_states import DeploymentState
from cloudify_rest_client import CloudifyClient

from manager.types import dependencies
from manager.types.deployment import check_deployment_status, deployment_drift, note_capabilities
from manager.types.work import (
    Document,
    Follower,
    client_of,
    exists,
    forget,
    note,
    resumable,
    setting,
)

_KIND = "sharedresource"
_ON_DEMAND, _STAYS = "on-demand-resource", "on-demand-uninstall-off"
_TIMEOUT_S = 1800


@resumable
def connect_deployment(**inputs: Any) -> None:
    """Become a user of the deployment; one that is on demand is installed by its first user."""
    client, deployment_id = client_of(inputs), _deployment_id(inputs)
    if not exists(client.deployments, deployment_id):
        raise NonRecoverableError(
            f'SharedResource\'s deployment ID "{deployment_id}" does not exist on tenant'
            f' "{ctx.tenant_name}", please verify the given ID.'
        )
    note(deployment={"id": deployment_id})
    _install_on_demand(client, deployment_id)
    dependencies.create(client, _KIND, deployment_id, inputs)
    note_capabilities(client, deployment_id)


@resumable
def disconnect_deployment(**inputs: Any) -> None:
    """Stop being a user; one that is on demand is uninstalled after its last user."""
    client, deployment_id = client_of(inputs), _deployment_id(inputs)
    dependencies.delete(client, _KIND, deployment_id, inputs)
    _uninstall_on_demand(client, deployment_id)
    forget("deployment", "capabilities")


@resumable
def refresh(**inputs: Any) -> None:
    """Take over the capabilities as they are now."""
    note_capabilities(client_of(inputs), _deployment_id(inputs))


@resumable
def check_drift(**inputs: Any) -> Document | None:
    """Return which capabilities differ from those taken over, or None."""
    client, deployment_id = client_of(inputs), _deployment_id(inputs)
    drift = deployment_drift(client, deployment_id, {}) or {}
    known = ctx.instance.runtime_properties.get("capabilities") or {}
    now = client.deployments.capabilities.get(deployment_id).get("capabilities") or {}
    changed = sorted(name for name in known.keys() | now.keys() if known.get(name) != now.get(name))
    if changed:
        drift["capabilities"] = changed
    return drift or None


@resumable
def check_status(**inputs: Any) -> None:
    """Raise unless the deployment is installed and well."""
    check_deployment_status(client_of(inputs), _deployment_id(inputs))


@resumable
def execute_workflow(
    workflow_id: str,
    parameters: Mapping[str, Any] | None = None,
    timeout: float = 10,
    redirect_logs: bool = True,
    **_inputs: Any,
) -> None:
    """Run a workflow in the shared resource, the relationship's target."""
    client = _client_of_target()
    deployment_id = ctx.target.node.properties["resource_config"]["deployment"]["id"]
    execution = client.executions.start(deployment_id, workflow_id, parameters=parameters or {})
    follower = Follower(client, execution["id"], with_events=redirect_logs)
    follower.wait(timeout_s=timeout, interval_s=1)
    capabilities = client.deployments.capabilities.get(deployment_id).get("capabilities") or {}
    ctx.target.instance.runtime_properties["capabilities"] = capabilities
    ctx.target.instance.update()


def _deployment_id(inputs: Mapping[str, Any]) -> str:
    noted = ctx.instance.runtime_properties.get("deployment") or {}
    config = (setting("resource_config", inputs) or {}).get("deployment") or {}
    found = noted.get("id") or config.get("id")
    if not found:
        raise NonRecoverableError("resource_config.deployment.id is missing")
    return str(found)


def _client_of_target() -> Any:
    config = ctx.target.node.properties.get("client")
    return CloudifyClient(**config) if config else manager.get_rest_client()


def _labels(deployment: Any, key: str) -> list[str]:
    return [label["value"] for label in deployment.labels if label["key"] == key]


def _install_on_demand(client: Any, deployment_id: str) -> None:
    deployment = client.deployments.get(deployment_id)
    if deployment.installation_status == DeploymentState.ACTIVE:
        return
    if _ON_DEMAND not in _labels(deployment, "csys-obj-type"):
        raise NonRecoverableError(
            f"SharedResource's deployment \"{deployment_id}\" is inactive and isn't labelled as"
            f" `csys-obj-type: {_ON_DEMAND}`. Please install the deployment first"
        )
    execution = client.executions.start(deployment_id, "install", queue=True)
    Follower(client, execution["id"], with_events=True).wait(timeout_s=_TIMEOUT_S, interval_s=1)


def _uninstall_on_demand(client: Any, deployment_id: str) -> None:
    deployment = client.deployments.get(deployment_id)
    kinds = _labels(deployment, "csys-obj-type")
    has_users = bool(_labels(deployment, "csys-consumer-id"))
    is_active = deployment.installation_status == DeploymentState.ACTIVE
    if _ON_DEMAND in kinds and _STAYS not in kinds and is_active and not has_users:
        execution = client.executions.start(deployment_id, "uninstall")
        Follower(client, execution["id"], with_events=True).wait(timeout_s=_TIMEOUT_S, interval_s=1)
