"""Who may read and write which part of the file tree by its URL below /resources."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.errors import Forbidden, NotFound
from manager.files import tree
from manager.files.names import decoded_parts
from manager.services.authentication import Caller, Credentials
from manager.storage.models import GLOBAL, Blueprint, Deployment, Plugin, Resource, Tenant
from manager.storage.scope import readable

Authenticate = Callable[[Session, Credentials], Caller]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A folder on top of the tree.

    `model` is what each folder in it belongs to; `read` and `write` are the permissions, null for
    everyone who has logged in and for nobody. `is_noted`: every write there is noted.
    """

    has_tenant: bool = False
    model: type[Resource] | None = None
    read: str | None = None
    write: str | None = None
    is_noted: bool = False

    @property
    def owner_depth(self) -> int:
        """Return how many names lead to what has one owner."""
        return 1 + self.has_tenant + (self.model is not None)


_READ = "file_server_auth"
_SHARED = Kind()
_KINDS = {
    tree.BLUEPRINTS: Kind(has_tenant=True, model=Blueprint, read=_READ),
    tree.ARCHIVES: Kind(has_tenant=True, model=Blueprint, read="blueprint_download"),
    tree.DEPLOYMENTS: Kind(
        has_tenant=True, model=Deployment, read=_READ, write="deployment_update", is_noted=True
    ),
    tree.TENANT_RESOURCES: Kind(has_tenant=True, read=_READ),
    tree.PLUGINS: Kind(model=Plugin, read="plugin_download"),
    tree.SNAPSHOTS: Kind(read="snapshot_download"),
    "global-resources": _SHARED,
    "cloudify": _SHARED,
    "packages": _SHARED,
    "spec": _SHARED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A path below /resources: names that are safe, and what kind of folder they lead into."""

    kind: Kind
    names: tuple[str, ...]
    is_folder: bool  # a slash was at the end

    @property
    def folder(self) -> str:
        """Return the folder with one owner, by which writes are noted."""
        return "/".join(self.names[: self.kind.owner_depth])

    @property
    def is_owner(self) -> bool:
        """Tell whether this is the whole folder with one owner."""
        return len(self.names) == self.kind.owner_depth

    @property
    def url_path(self) -> str:
        """Return the path as URLs have it."""
        return quote("/".join(self.names)) + ("/" if self.is_folder else "")

    def path(self, root: Path) -> Path:
        """Return the path in the tree below `root`."""
        return root.joinpath(*self.names)


def place_of(raw_path: str) -> Place:
    """Return the place that a path below /resources leads to, as it was sent.

    Raises NotFound for a path that leads nowhere: detours, unknown kinds, folders of many owners.
    """
    names = decoded_parts(raw_path)
    kind = _KINDS.get(names[0]) if names else None
    if names is None or kind is None:
        raise _absent(raw_path)
    is_folder = names[-1] == ""
    names = names[:-1] if is_folder else names
    if len(names) < kind.owner_depth:
        raise _absent(raw_path)
    return Place(kind=kind, names=names, is_folder=is_folder)


def authorize_place(
    session: Session,
    authenticate: Authenticate,
    credentials: Credentials,
    place: Place,
    *,
    to_write: bool = False,
) -> Caller:
    """Return who asks, once it is sure that they may; what they may not see is absent.

    Raises Unauthorized, Forbidden, NotFound.
    """
    if to_write and (place.kind.write is None or (place.is_owner and not place.is_folder)):
        raise Forbidden(f"Nothing can be written to /resources/{place.url_path}")
    if place.kind.has_tenant:
        return _in_tenant(session, authenticate, credentials, place, to_write)
    caller = authenticate(session, credentials)
    if place.kind.read is not None:
        caller.require(place.kind.read)
    if place.kind.model is not None:
        _require_readable(session, caller, place, caller.tenant_id, place.names[1])
    return caller


def _in_tenant(
    session: Session,
    authenticate: Authenticate,
    credentials: Credentials,
    place: Place,
    to_write: bool,
) -> Caller:
    try:
        caller = authenticate(session, replace(credentials, tenant=place.names[1]))
    except Forbidden:
        if to_write:
            raise
        return _of_other_tenant(session, authenticate, credentials, place)
    permission = place.kind.write if to_write else place.kind.read
    if permission is not None:
        caller.require(permission)
    if place.kind.model is not None:
        _require_readable(session, caller, place, caller.tenant_id, place.names[2])
    return caller


def _of_other_tenant(
    session: Session, authenticate: Authenticate, credentials: Credentials, place: Place
) -> Caller:
    """Return who reads what another tenant has made global; raises Forbidden for the rest."""
    caller = authenticate(session, credentials)
    model = place.kind.model
    if model is None or not session.scalar(
        select(
            select(model.key)
            .join(Tenant, Tenant.id == model.tenant_id)
            .where(
                Tenant.name == place.names[1],
                model.id == place.names[2],
                model.visibility == GLOBAL,
            )
            .exists()
        )
    ):
        raise Forbidden(
            f"User `{caller.username}` is not permitted to read /resources/{place.url_path}"
        )
    if place.kind.read is not None and caller.tenant_id is not None:
        caller.require(place.kind.read)  # without a tenant there is no role to have it by
    return caller


def _require_readable(
    session: Session, caller: Caller, place: Place, tenant_id: int | None, resource_id: str
) -> None:
    model = place.kind.model
    assert model is not None  # noqa: S101
    found = select(model.key).where(
        readable(model, caller, all_tenants=tenant_id is None), model.id == resource_id
    )
    if place.kind.has_tenant:
        found = found.where(model.tenant_id == tenant_id)
    if not session.scalar(select(found.exists())):
        raise _absent(place.url_path)


def _absent(path: str) -> NotFound:
    return NotFound(f"/resources/{path} was not found")
