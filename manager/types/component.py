"""Operations of cloudify.nodes.Component: a deployment of its own, run as one node of another."""

from collections.abc import Mapping
from typing import Any

from cloudify import ctx
from cloudify.exceptions import NonRecoverableError
from cloudify.models_states import DeploymentState

from manager.types import dependencies
from manager.types.blueprint import delete_blueprint, provide_blueprint
from manager.types.deployment import (
    await_environment,
    check_deployment_status,
    deployment_drift,
    free_id,
    note_capabilities,
)
from manager.types.extras import delete_extras, provide_extras
from manager.types.work import (
    Document,
    Follower,
    client_of,
    exists,
    forget,
    is_remote,
    note,
    resumable,
    setting,
    wait_until,
)

_KIND = "component"
_PARENT = "csys-obj-parent"
_TIMEOUT_S, _INTERVAL_S = 1800, 1


@resumable
def upload_blueprint(**inputs: Any) -> None:
    """Let the manager have the component's blueprint, secrets and plugins."""
    client = client_of(inputs)
    provide_extras(client, inputs)
    provide_blueprint(client, _config(inputs, "blueprint"))


@resumable
def create(**inputs: Any) -> None:
    """Create the component's deployment, or find the one that is to be used."""
    client, config = client_of(inputs), _config(inputs, "deployment")
    is_external = bool(config.get("external_resource"))
    deployment_id = _choose_id(client, config)
    if not exists(client.deployments, deployment_id):
        if is_external:
            raise NonRecoverableError(f"Deployment {deployment_id} does not exist")
        _create(client, deployment_id, inputs)
    await_environment(client, deployment_id, timeout_s=_TIMEOUT_S)
    dependencies.create(client, _KIND, deployment_id, inputs)
    if is_external:
        note_capabilities(client, deployment_id)


@resumable
def execute_start(
    workflow_id: str = "install",
    timeout: float = _TIMEOUT_S,
    interval: float = _INTERVAL_S,
    **inputs: Any,
) -> None:
    """Run a workflow in the component's deployment and take over its capabilities."""
    client, config = client_of(inputs), _config(inputs, "deployment")
    deployment_id = _deployment_id(config)
    if config.get("external_resource"):
        ctx.logger.info("Deployment %s is not the component's own to run", deployment_id)
    else:
        execution_id = _start_once(client, deployment_id, workflow_id, inputs)
        follower = Follower(client, execution_id, with_events=config.get("logs", True))
        follower.wait(timeout_s=timeout, interval_s=interval)
        forget("running_execution")
    note_capabilities(client, deployment_id)


@resumable
def delete(timeout: float = _TIMEOUT_S, **inputs: Any) -> None:
    """Delete the deployment, its blueprint, secrets and plugins, as far as they are its own."""
    client, config = client_of(inputs), _config(inputs, "deployment")
    deployment_id = _deployment_id(config)
    dependencies.delete(client, _KIND, deployment_id, inputs)
    if not config.get("external_resource") and exists(client.deployments, deployment_id):
        client.deployments.delete(deployment_id)
        what = f"Deletion of deployment {deployment_id}"
        wait_until(lambda: not exists(client.deployments, deployment_id), what, timeout_s=timeout)
    delete_blueprint(client)
    delete_extras(client)
    forget("deployment", "blueprint", "capabilities")


@resumable
def refresh(**inputs: Any) -> None:
    """Take over the capabilities as they are now."""
    note_capabilities(client_of(inputs), _deployment_id(_config(inputs, "deployment")))


@resumable
def check_drift(**inputs: Any) -> Document | None:
    """Return what of the deployment differs from what is asked for, or None."""
    config = _config(inputs, "deployment")
    return deployment_drift(client_of(inputs), _deployment_id(config), config)


@resumable
def check_status(**inputs: Any) -> None:
    """Raise unless the component's deployment is installed and well."""
    check_deployment_status(client_of(inputs), _deployment_id(_config(inputs, "deployment")))


@resumable
def heal(**inputs: Any) -> None:
    """Heal the component's deployment."""
    _run(inputs, "heal")


@resumable
def update(**inputs: Any) -> None:
    """Update the component's deployment to the inputs and blueprint that are asked for now."""
    client, config = client_of(inputs), _config(inputs, "deployment")
    deployment_id = _deployment_id(config)
    started = client.deployment_updates.update_with_existing_blueprint(
        deployment_id,
        blueprint_id=_config(inputs, "blueprint").get("id"),
        inputs=config.get("inputs"),
    )
    follower = Follower(client, started["execution_id"], with_events=config.get("logs", True))
    follower.wait(timeout_s=_TIMEOUT_S, interval_s=_INTERVAL_S)
    note_capabilities(client, deployment_id)


def _config(inputs: Mapping[str, Any], part: str) -> Document:
    found: Document = dict((setting("resource_config", inputs) or {}).get(part) or {})
    return found


def _deployment_id(config: Mapping[str, Any]) -> str:
    noted = ctx.instance.runtime_properties.get("deployment") or {}
    found: str = noted.get("id") or config.get("id") or ctx.instance.id
    return found


def _choose_id(client: Any, config: Mapping[str, Any]) -> str:
    """Return the deployment's id, which is noted before there is such a deployment."""
    noted = ctx.instance.runtime_properties.get("deployment") or {}
    if "id" in noted:
        return str(noted["id"])
    wanted: str = config.get("id") or ctx.instance.id
    if config.get("auto_inc_suffix"):
        wanted = free_id(client, wanted)
    if not config.get("external_resource") and exists(client.deployments, wanted):
        raise NonRecoverableError(f"Deployment {wanted} exists already, and is not external")
    note(deployment={"id": wanted})
    return wanted


def _create(client: Any, deployment_id: str, inputs: Mapping[str, Any]) -> None:
    config = _config(inputs, "deployment")
    blueprint = ctx.instance.runtime_properties.get("blueprint") or _config(inputs, "blueprint")
    labels = list(config.get("labels") or [])
    if not is_remote(inputs):
        labels.append({_PARENT: ctx.deployment.id})
    ctx.logger.info("Creating deployment %s of blueprint %s", deployment_id, blueprint["id"])
    client.deployments.create(
        blueprint["id"],
        deployment_id,
        inputs=config.get("inputs") or {},
        labels=labels or None,
        async_create=True,
    )


def _start_once(
    client: Any, deployment_id: str, workflow_id: str, inputs: Mapping[str, Any]
) -> str:
    """Return the execution to follow: the one that a lost worker started, or a new one."""
    running = ctx.instance.runtime_properties.get("running_execution") or {}
    if running.get("workflow_id") == workflow_id:
        return str(running["id"])
    arguments = (setting("resource_config", inputs) or {}).get("executions_start_args") or {}
    execution = client.executions.start(deployment_id, workflow_id, **arguments)
    note(running_execution={"workflow_id": workflow_id, "id": execution["id"]})
    return str(execution["id"])


def _run(inputs: Mapping[str, Any], workflow_id: str) -> None:
    client, config = client_of(inputs), _config(inputs, "deployment")
    deployment_id = _deployment_id(config)
    if client.deployments.get(deployment_id).deployment_status == DeploymentState.GOOD:
        return
    execution_id = _start_once(client, deployment_id, workflow_id, inputs)
    follower = Follower(client, execution_id, with_events=config.get("logs", True))
    follower.wait(timeout_s=_TIMEOUT_S, interval_s=_INTERVAL_S)
    forget("running_execution")
    note_capabilities(client, deployment_id)
