"""Change who may see a resource: only ever to more people."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, IllegalAction
from manager.services.authentication import Caller
from manager.storage.models import GLOBAL, TENANT_WIDE, VISIBILITIES, Resource


def checked_visibility(caller: Caller, value: object) -> str:
    """Return `value` as a new resource's visibility; null is the tenant's.

    Raises BadParameters for an unknown one, Forbidden when the caller may not make it global.
    """
    if value is None:
        return TENANT_WIDE
    if value not in VISIBILITIES:
        raise BadParameters(
            f"Invalid visibility: `{value}`. Valid visibility's values are: {list(VISIBILITIES)}"
        )
    if value == GLOBAL:
        caller.require("create_global_resource")
    return str(value)


def widen(session: Session, caller: Caller, resource: Resource, value: object) -> None:
    """Set a resource's visibility; raises IllegalAction when it is wider already."""
    if value not in (TENANT_WIDE, GLOBAL):
        raise BadParameters(
            f"Invalid visibility: `{value}`. Valid visibility's values are: {[TENANT_WIDE, GLOBAL]}"
        )
    visibility = checked_visibility(caller, value)
    if VISIBILITIES.index(visibility) <= VISIBILITIES.index(resource.visibility):
        raise IllegalAction(
            f"Can't set the visibility of `{resource.id}` to {visibility} because it already has"
            " wider visibility"
        )
    if visibility == GLOBAL:
        require_unique(session, resource)
    resource.visibility = visibility


def require_unique(session: Session, resource: Resource) -> None:
    """Raise Conflict when another tenant has a resource of the same id: a global one is alone."""
    model = type(resource)
    others = select(model.key).where(model.id == resource.id, model.tenant_id != resource.tenant_id)
    if session.scalar(select(others.exists())):
        raise Conflict(
            f"Can't set or create the resource `{resource.id}`, its visibility can't be global"
            " because it also exists in other tenants"
        )
