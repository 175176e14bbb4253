"""What a system workflow works with."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from manager.errors import ManagerError
from manager.files.fetch import Fetcher
from manager.files.tree import FileTree
from manager.services.authentication import Caller
from manager.services.blueprint_files import fetcher
from manager.services.folder_writes import note_write
from manager.settings import Settings
from manager.storage.database import Database, forgo_durability
from manager.storage.models import (
    LOG,
    Deployment,
    Event,
    Execution,
    GroupMember,
    GroupTenant,
    Tenant,
    User,
    UserGroup,
    UserTenant,
)


class WorkflowFailed(ManagerError):
    """A system workflow cannot do what it is for; the message is the execution's error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemContext:
    """The execution that runs, and where it works.

    `token` is the execution's: other managers ask for it when files are fetched from them.
    """

    settings: Settings
    database: Database
    execution: Execution
    token: str = field(default="", repr=False)

    @property
    def tree(self) -> FileTree:
        """Return the file tree of this manager."""
        return FileTree(self.settings.paths.resources)

    def fetcher(self, session: Session, folder: Path, tenant: str) -> Fetcher:
        """Return what gets files of a folder from whichever manager has them."""
        credentials = {"Execution-Token": self.token, "Tenant": tenant}
        return fetcher(session, self.settings, folder, credentials)

    def note_write(self, session: Session, folder: Path) -> None:
        """Tell the other managers, with this session's commit, who wrote into a folder."""
        note_write(session, self.settings.manager.hostname, self.tree.relative(folder))

    def log(self, message: str, *, level: str = "info") -> None:
        """Write a line to the execution's log, as `cfy events list` shows it."""
        with self.database.session() as session:
            forgo_durability(session)  # the next state that is written carries it along
            session.execute(insert(Event), [self._line(message, level)])

    def deployment(self, session: Session) -> Deployment | None:
        """Return the execution's deployment, locked, or None when it is gone."""
        return session.get(Deployment, self.execution.deployment_key, with_for_update=True)

    def _line(self, message: str, level: str) -> dict[str, object]:
        execution = self.execution
        return {
            "kind": LOG,
            "tenant_id": execution.tenant_id,
            "creator_id": execution.creator_id,
            "visibility": execution.visibility,
            "execution_key": execution.key,
            "timestamp": datetime.now(UTC),
            "level": level,
            "logger": f"ctx.{execution.id}",
            "message": message,
            "manager_name": self.settings.manager.hostname,
        }


def tenant_name(session: Session, execution: Execution) -> str:
    """Return the name of the execution's tenant."""
    return session.execute(select(Tenant.name).where(Tenant.id == execution.tenant_id)).scalar_one()


def creator(session: Session, execution: Execution) -> Caller:
    """Return the user who started the execution, in its tenant: what it may read is theirs."""
    user = session.get_one(User, execution.creator_id)
    in_tenant = select(UserTenant.role).where(
        UserTenant.user_id == user.id, UserTenant.tenant_id == execution.tenant_id
    )
    groups = select(GroupMember.group_id).where(GroupMember.user_id == user.id)
    of_groups = select(UserGroup.role).where(UserGroup.id.in_(groups))
    of_groups_here = select(GroupTenant.role).where(
        GroupTenant.group_id.in_(groups), GroupTenant.tenant_id == execution.tenant_id
    )
    roles = (*session.scalars(of_groups), *session.scalars(of_groups_here))
    return Caller(
        user_id=user.id,
        username=user.username,
        role=user.role,
        tenant_id=execution.tenant_id,
        tenant=tenant_name(session, execution),
        tenant_role=session.scalar(in_tenant),
        group_roles=frozenset(role for role in roles if role),
    )
