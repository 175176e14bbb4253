"""Which deployment needs which: written by components, shared resources and capabilities."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, NotFound
from manager.services.authentication import Caller
from manager.services.resources import find, find_to_change
from manager.storage.models import Deployment, InterDeploymentDependency
from manager.storage.scope import writable


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A dependency as a request describes it; externals are deployments of other managers."""

    creator: str
    target: str | None = None
    target_function: dict[str, Any] | None = None
    external_source: dict[str, Any] | None = None
    external_target: dict[str, Any] | None = None

    @classmethod
    def parse(cls, body: object) -> "Dependency":
        """Return what a request's body describes; raises BadParameters."""
        if not isinstance(body, Mapping):
            raise BadParameters("A dependency must be an object")
        creator = body.get("dependency_creator")
        if not isinstance(creator, str) or not creator:
            raise BadParameters("Missing dependency_creator in json request body")
        target = body.get("target_deployment")
        if not isinstance(target, str | None):
            raise BadParameters("`target_deployment` must be a text")
        return cls(
            creator=creator,
            target=(target or "").strip() or None,
            target_function=_document(body, "target_deployment_func"),
            external_source=_document(body, "external_source"),
            external_target=_document(body, "external_target"),
        )

    @property
    def is_internal(self) -> bool:
        """Tell whether both deployments are of this manager."""
        return not self.external_source and not self.external_target


def add_dependency(
    session: Session, caller: Caller, source_id: str | None, wanted: Dependency
) -> str:
    """Write a dependency and return its id.

    Raises NotFound for a deployment that is absent, Conflict for a cycle.
    """
    source = _source(session, caller, source_id, [wanted])
    if wanted.is_internal and not wanted.target and not wanted.target_function:
        raise NotFound("Neither a target deployment nor a function that tells it is given")
    return _add(session, caller, source, wanted, must_exist=True)


def add_dependencies(
    session: Session, caller: Caller, source_id: str, wanted: Sequence[Dependency]
) -> list[str]:
    """Write dependencies of one deployment; targets that do not exist yet are left open."""
    source = _source(session, caller, source_id, wanted)
    return [_add(session, caller, source, one, must_exist=False) for one in wanted]


def replace_dependencies(
    session: Session, caller: Caller, source_id: str, wanted: Sequence[Dependency]
) -> list[str]:
    """Give a deployment exactly these dependencies; return their ids."""
    source = find_to_change(session, caller, Deployment, source_id)
    table = InterDeploymentDependency
    session.execute(delete(table).where(table.source_deployment_key == source.key))
    return add_dependencies(session, caller, source_id, wanted)


def delete_dependency(
    session: Session,
    caller: Caller,
    source_id: str | None,
    wanted: Dependency,
    *,
    target_may_be_gone: bool = False,
) -> None:
    """Delete a dependency; raises NotFound.

    The target of a component that is being deleted may be gone already.
    """
    source = _source(session, caller, source_id, [wanted])
    table = InterDeploymentDependency
    conditions = [
        writable(table, caller),
        table.dependency_creator == wanted.creator,
        table.source_deployment_key == (source.key if source else None),
    ]
    if wanted.external_source:
        conditions.append(table.external_source == wanted.external_source)
    target = _target(session, caller, wanted, must_exist=not target_may_be_gone)
    if target is not None:
        conditions.append(table.target_deployment_key == target.key)
    gone = session.scalars(delete(table).where(*conditions).returning(table.key)).all()
    if not gone:
        raise NotFound.of("InterDeploymentDependencies", wanted.creator)


def _add(
    session: Session,
    caller: Caller,
    source: Deployment | None,
    wanted: Dependency,
    *,
    must_exist: bool,
) -> str:
    target = _target(session, caller, wanted, must_exist=must_exist)
    if source is not None and target is not None:
        _check_no_cycle(session, source, target)
    dependency = InterDeploymentDependency(
        id=str(uuid.uuid4()),
        tenant_id=source.tenant_id if source else caller.require_tenant(),
        creator_id=caller.user_id,
        dependency_creator=wanted.creator,
        source_deployment_key=source.key if source else None,
        target_deployment_key=target.key if target else None,
        target_deployment_func=wanted.target_function,
        external_source=wanted.external_source,
        external_target=wanted.external_target,
    )
    session.add(dependency)
    session.flush()
    return dependency.id


def _source(
    session: Session, caller: Caller, source_id: str | None, wanted: Iterable[Dependency]
) -> Deployment | None:
    if any(one.external_source for one in wanted):
        return None
    return find(session, caller, Deployment, source_id or "")


def _target(
    session: Session, caller: Caller, wanted: Dependency, *, must_exist: bool
) -> Deployment | None:
    if wanted.target is None or wanted.external_target:
        return None
    try:
        return find(session, caller, Deployment, wanted.target)
    except NotFound:
        if must_exist and wanted.is_internal and not wanted.target_function:
            raise
        return None


def _check_no_cycle(session: Session, source: Deployment, target: Deployment) -> None:
    """Raise Conflict when the target depends on the source, through others or directly."""
    table = InterDeploymentDependency
    walk = (
        select(table.source_deployment_key.label("key"))
        .where(table.target_deployment_key == source.key)
        .cte("dependents", recursive=True)
    )
    step = select(table.source_deployment_key).join(walk, table.target_deployment_key == walk.c.key)
    dependents = walk.union(step)
    if session.scalar(select(dependents.c.key).where(dependents.c.key == target.key).limit(1)):
        raise Conflict(f"cyclic dependency between deployments {source.id} and {target.id}")


def _document(body: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = body.get(name)
    if not isinstance(value, dict | None):
        raise BadParameters(f"`{name}` must be an object")
    return value or None
