"""Environments and the deployments within them: the tree that labels `csys-obj-parent` make.

Each deployment carries how many deployments are below it and the worst of their statuses, so that
lists need not walk the tree; whoever changes a label or a status recalculates the ancestors.
"""

from collections.abc import Collection
from typing import Any

from cloudify.models_states import DeploymentState
from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session, aliased

from manager.errors import Conflict, NotFound
from manager.services.labels import KIND, PARENT
from manager.storage.models import Deployment, DeploymentLabel, Execution
from manager.storage.prepared import Prepared

_GOOD, _IN_PROGRESS = DeploymentState.GOOD, DeploymentState.IN_PROGRESS
_ATTENTION = DeploymentState.REQUIRE_ATTENTION
_RUNNING = [
    status
    for status, summary in DeploymentState.EXECUTION_STATES_SUMMARY.items()
    if summary == _IN_PROGRESS
]


class ParentNotFound(NotFound):
    """A label names a parent that does not exist."""

    code = "deployment_parent_not_found_error"


def check_parents(session: Session, deployment: Deployment, parents: Collection[str]) -> None:
    """Raise ParentNotFound for a parent that is absent, Conflict for one below the deployment."""
    wanted = set(parents)
    query = select(Deployment.id, Deployment.key).where(
        Deployment.tenant_id == deployment.tenant_id, Deployment.id.in_(wanted)
    )
    found = {parent: key for parent, key in session.execute(query)}
    if missing := sorted(wanted - found.keys()):
        raise ParentNotFound(
            f"Deployment(s) {', '.join(missing)} do not exist and cannot be the parents of "
            f"deployment {deployment.id}"
        )
    below = set(session.scalars(select(_below([deployment.key]).c.key)))
    if cyclic := sorted(name for name, key in found.items() if key in below):
        raise Conflict(
            f"cyclic dependency between deployments {deployment.id} and {', '.join(cyclic)}"
        )


def parent_keys(session: Session, deployment_key: int) -> list[int]:
    """Return the keys of a deployment's parents."""
    session.flush()  # a label may be new
    return [row.parent for row in _PARENTS.rows(session, child=deployment_key)]


def recalculate(session: Session, keys: Collection[int]) -> None:
    """Write counts and statuses of the deployments with these keys and of all above them."""
    if not keys:
        return
    above = _above(keys)
    for key in session.scalars(select(above.c.key)).all():
        _recalculate_one(session, key)


def recalculate_above(session: Session, deployment_key: int) -> None:
    """Write counts and statuses of all above a deployment whose status has changed."""
    recalculate(session, parent_keys(session, deployment_key))


def own_status() -> ColumnElement[str]:
    """Return a deployment's status by its latest execution and its instances alone."""
    latest = select(Execution.status).where(Execution.key == Deployment.latest_execution_key)
    status = latest.scalar_subquery()
    inactive = func.coalesce(Deployment.installation_status, DeploymentState.INACTIVE)
    return case(
        (status.in_(_RUNNING), _IN_PROGRESS),
        (or_(status == "failed", inactive == DeploymentState.INACTIVE), _ATTENTION),
        else_=_GOOD,
    )


def sub_counts(session: Session, key: int, *, direct: bool) -> dict[str, Any]:
    """Return counts and worst statuses of what is below a deployment, or directly below it."""
    if direct:
        edges = _edges().subquery()
        members: Select[Any] = select(edges.c.child).where(edges.c.parent == key)
    else:
        tree = _below([key])
        members = select(tree.c.key).where(tree.c.key != key)
    is_environment = exists().where(
        DeploymentLabel.deployment_key == Deployment.key,
        DeploymentLabel.name == KIND,
        DeploymentLabel.value == "environment",
    )
    rows = select(own_status().label("status"), is_environment.label("is_environment")).where(
        Deployment.key.in_(members)
    )
    rows_of = rows.subquery()
    environments, services = rows_of.c.is_environment, ~rows_of.c.is_environment
    return dict(
        session.execute(
            select(
                func.count().filter(services).label("sub_services_count"),
                func.count().filter(environments).label("sub_environments_count"),
                _worst(rows_of.c.status, services).label("sub_services_status"),
                _worst(rows_of.c.status, environments).label("sub_environments_status"),
            )
        )
        .mappings()
        .one()
    )


def _recalculate_one(session: Session, key: int) -> None:
    counts = sub_counts(session, key, direct=False)
    below = [counts["sub_services_status"], counts["sub_environments_status"]]
    own = own_status()
    status: Any = case(
        (or_(own == _ATTENTION, literal(_ATTENTION in below)), _ATTENTION),
        (or_(own == _IN_PROGRESS, literal(_IN_PROGRESS in below)), _IN_PROGRESS),
        else_=_GOOD,
    )
    session.execute(
        update_rows(Deployment)
        .where(Deployment.key == key)
        .values(**counts, deployment_status=status)
        .execution_options(synchronize_session=False)
    )


def _worst(status: ColumnElement[str], among: ColumnElement[bool]) -> ColumnElement[str | None]:
    return case(
        (func.bool_or(status == _ATTENTION).filter(among), _ATTENTION),
        (func.bool_or(status == _IN_PROGRESS).filter(among), _IN_PROGRESS),
        (func.bool_or(status == _GOOD).filter(among), _GOOD),
        else_=null(),
    )


def _edges() -> Select[int, int]:
    child, parent = aliased(Deployment), aliased(Deployment)
    return (
        select(child.key.label("child"), parent.key.label("parent"))
        .select_from(DeploymentLabel)
        .join(child, child.key == DeploymentLabel.deployment_key)
        .join(parent, and_(parent.tenant_id == child.tenant_id, parent.id == DeploymentLabel.value))
        .where(DeploymentLabel.name == PARENT)
    )


def _below(keys: Collection[int]) -> CTE:
    """Return the keys themselves and those below them."""
    return _walk(keys, towards="child", via="parent")


def _above(keys: Collection[int]) -> CTE:
    """Return the keys themselves and those above them."""
    return _walk(keys, towards="parent", via="child")


def _walk(keys: Collection[int], *, towards: str, via: str) -> CTE:
    edges = _edges().subquery()
    start = select(Deployment.key.label("key")).where(Deployment.key.in_(list(keys)))
    walk = start.cte("walk", recursive=True)
    step = select(edges.c[towards]).join(walk, edges.c[via] == walk.c.key)
    return walk.union(step)  # UNION, not UNION ALL: it ends even on a cycle


def _parents() -> Select[int]:
    edges = _edges().subquery()
    return select(edges.c.parent).where(edges.c.child == bindparam("child"))


_PARENTS = Prepared(_parents())  # each report of an execution asks it
