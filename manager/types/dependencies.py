"""That a deployment needs another, told to the manager, which keeps the other from deletion."""

from collections.abc import Mapping
from typing import Any

from cloudify import ctx, manager
from cloudify.deployment_dependencies import build_deployment_dependency, format_dependency_creator
from cloudify_rest_client.exceptions import CloudifyClientError

from manager.types.work import Document, is_remote, setting

_CONFLICT, _ABSENT = 409, 404


def create(client: Any, kind: str, target: str, inputs: Mapping[str, Any]) -> None:
    """Tell that this deployment needs `target`; twice does no harm."""
    if is_remote(inputs):
        client = manager.get_rest_client()
    try:
        client.inter_deployment_dependencies.create(**_dependency(kind, target, inputs))
    except CloudifyClientError as error:
        if error.status_code != _CONFLICT:
            raise


def delete(client: Any, kind: str, target: str, inputs: Mapping[str, Any]) -> None:
    """Tell that this deployment no longer needs `target`; twice does no harm."""
    is_other = is_remote(inputs)
    if is_other:
        client = manager.get_rest_client()
    try:
        client.inter_deployment_dependencies.delete(
            **_dependency(kind, target, inputs), is_component_deletion=kind == "component"
        )
    except CloudifyClientError as error:
        if error.status_code != _ABSENT:
            raise


def _dependency(kind: str, target: str, inputs: Mapping[str, Any]) -> Document:
    creator = format_dependency_creator(kind, ctx.instance.id)
    where: Document = {"target_deployment": target}
    if is_remote(inputs):
        client_config = setting("client", inputs)
        where = {"external_target": {"deployment": target, "client_config": client_config}}
    dependency: Document = build_deployment_dependency(
        creator, source_deployment=ctx.deployment.id, **where
    )
    return dependency
