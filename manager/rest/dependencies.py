"""/deployments/inter-deployment-dependencies: which deployment needs which."""

from flask import Blueprint

from manager.errors import BadParameters
from manager.rest.arguments import flag
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object, paged
from manager.rest.fields import list_field, text_field
from manager.rest.views import listing_of, one_of
from manager.services.dependencies import (
    Dependency,
    add_dependencies,
    add_dependency,
    delete_dependency,
    replace_dependencies,
)
from manager.storage.views.dependencies import DEPENDENCIES

blueprint = Blueprint("inter_deployment_dependencies", __name__)

_PATH = "/deployments/inter-deployment-dependencies"


@blueprint.get(_PATH)
@authorize("inter_deployment_dependency_list")
def get_all() -> Body | list[Body]:
    """Answer dependencies."""
    return listing_of(DEPENDENCIES)


@blueprint.put(_PATH)
@authorize("inter_deployment_dependency_create")
def create() -> Body:
    """Write one dependency."""
    body = json_object()
    added = add_dependency(session(), caller(), _source(body), Dependency.parse(body))
    return one_of(DEPENDENCIES, added)


@blueprint.post(_PATH)
@authorize("inter_deployment_dependency_create")
def create_many() -> Body | list[Body]:
    """Write dependencies of one deployment."""
    body = json_object()
    source_id = text_field(body, "source_deployment_id")
    return _ids(add_dependencies(session(), caller(), source_id, _many(body)))


@blueprint.put("/deployments/<deployment_id>/inter-deployment-dependencies")
@authorize("inter_deployment_dependency_create")
def replace(deployment_id: str) -> Body | list[Body]:
    """Give a deployment exactly these dependencies."""
    wanted = _many(json_object())
    return _ids(replace_dependencies(session(), caller(), deployment_id, wanted))


@blueprint.delete(_PATH)
@authorize("inter_deployment_dependency_delete")
def delete() -> tuple[str, int]:
    """Delete a dependency."""
    body = json_object()
    gone = flag(body.get("is_component_deletion") or False)
    wanted = Dependency.parse(body)
    delete_dependency(session(), caller(), _source(body), wanted, target_may_be_gone=gone)
    return "", 204


def _source(body: Body) -> str | None:
    source = body.get("source_deployment")
    if not isinstance(source, str | None):
        raise BadParameters("`source_deployment` must be a text")
    return source


def _many(body: Body) -> list[Dependency]:
    return [Dependency.parse(one) for one in list_field(body, "inter_deployment_dependencies")]


def _ids(added: list[str]) -> Body | list[Body]:
    return paged([{"id": one} for one in added], total=len(added), size=len(added), offset=0)
