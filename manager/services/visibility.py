"""Who may see a resource: what visibilities are allowed and how they change."""

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, RequestError
from manager.storage.models import GLOBAL, VISIBILITIES, Resource

R = TypeVar("R", bound=Resource)


class IllegalVisibility(RequestError):
    """The visibility cannot be had: it would be narrower than now, or wider than allowed."""

    status = 400
    code = "illegal_action_error"


def parse_visibility(value: object) -> str:
    """Return a visibility; raises BadParameters for anything else."""
    if value not in VISIBILITIES:
        raise BadParameters(
            f"Invalid visibility: `{value}`. Valid visibility's values are: {list(VISIBILITIES)}"
        )
    return str(value)


def is_wider(visibility: str, other: str) -> bool:
    """Tell whether more users see what has `visibility` than what has `other`."""
    return VISIBILITIES.index(visibility) > VISIBILITIES.index(other)


def check_is_free(session: Session, model: type[R], tenant_id: int, resource_id: str) -> None:
    """Raise Conflict when the tenant has the id, or a global resource of another tenant has it."""
    taken = select(model.key).where(
        model.id == resource_id, (model.tenant_id == tenant_id) | (model.visibility == GLOBAL)
    )
    if session.scalar(taken.limit(1)) is not None:
        kind = model.__name__.lower()
        raise Conflict(
            f"{kind} with id={resource_id} already exists on this tenant or with global visibility"
        )


def widen(session: Session, resource: R, visibility: str) -> None:
    """Give a resource a wider visibility.

    Raises IllegalVisibility when it is narrower than the present one, Conflict when it becomes
    global while another tenant has one of the same id.
    """
    if is_wider(resource.visibility, visibility):
        raise IllegalVisibility(
            f"Can't set the visibility of `{resource.id}` to {visibility} because it already has "
            "wider visibility"
        )
    model = type(resource)
    if visibility == GLOBAL and resource.visibility != GLOBAL:
        others = select(model.key).where(model.id == resource.id, model.key != resource.key)
        if session.scalar(others.limit(1)) is not None:
            raise Conflict(
                f"Can't set the visibility of `{resource.id}` to global because it also exists in "
                "other tenants"
            )
    resource.visibility = visibility
