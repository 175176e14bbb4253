"""Find resources to work with, as the caller may."""

from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Forbidden, NotFound
from manager.services.authentication import Caller
from manager.storage.models import Resource
from manager.storage.scope import readable, writable

R = TypeVar("R", bound=Resource)
_MAX_ID = 256
_SYMBOLS = frozenset("-_.")


def find(
    session: Session, caller: Caller, model: type[R], resource_id: str, *where: ColumnElement[bool]
) -> R:
    """Return a resource that the caller may read; raises NotFound.

    Of two with the same id the own tenant's comes before another's global one.
    """
    caller.require_tenant()
    found = session.scalars(
        select(model)
        .where(readable(model, caller), model.id == resource_id, *where)
        .order_by(model.tenant_id != caller.tenant_id)
        .limit(1)
    ).one_or_none()
    if found is None:
        raise NotFound.of(model.__name__, resource_id)
    return found


def find_to_change(
    session: Session, caller: Caller, model: type[R], resource_id: str, *where: ColumnElement[bool]
) -> R:
    """Return a resource of the caller's tenant, locked until the transaction ends.

    Raises NotFound, or Forbidden when it belongs to another tenant and is global.
    """
    caller.require_tenant()
    found = session.scalars(
        select(model)
        .where(writable(model, caller), model.id == resource_id, *where)
        .with_for_update()
    ).one_or_none()
    if found is not None:
        return found
    find(session, caller, model, resource_id, *where)  # raises NotFound
    raise Forbidden(
        f"`{model.__name__}` {resource_id} belongs to another tenant, which alone may change it"
    )


def check_id(name: str, value: object, *, letter_first: bool = True) -> str:
    """Return `value` as the id of a new resource; `name` is the argument in messages.

    Raises BadParameters unless it begins with a letter, if wanted, and has letters, digits, "-",
    "_" and "." only, 256 at most: ids become names of directories and parts of URLs.
    """
    if not isinstance(value, str) or not value:
        raise BadParameters(f"The `{name}` argument is empty")
    if len(value) > _MAX_ID:
        raise BadParameters(f"The `{name}` argument is too long: at most {_MAX_ID} characters")
    if not all(c.isascii() and (c.isalnum() or c in _SYMBOLS) for c in value):
        raise BadParameters(
            f"The `{name}` argument contains illegal characters. Only letters, digits and the"
            ' characters "-", "." and "_" are allowed'
        )
    if letter_first and not value[0].isalpha():
        raise BadParameters(f"The `{name}` argument must begin with a letter")
    return value
