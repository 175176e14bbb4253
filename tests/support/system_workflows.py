"""Run system workflows as the worker does: executions made by hand, archives put in the tree."""

import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from manager.services.execution_life import finish
from manager.services.execution_status import ExecutionStatus
from manager.settings import PathSettings, Settings
from manager.storage.database import Database
from manager.storage.models import Blueprint, Deployment, Execution, Resource, Tenant, User
from manager.system_workflows import SYSTEM_WORKFLOWS
from manager.system_workflows.context import SystemContext

_PREFIX = "cloudify_system_workflows."


@dataclass(frozen=True)
class Workshop:
    """A database, a file tree and a user that works in a tenant of them."""

    database: Database
    settings: Settings
    username: str = "admin"
    tenant: str = "default_tenant"

    @classmethod
    def at(cls, settings: Settings, database: Database, resources: Path) -> "Workshop":
        """Return one with a file tree of its own."""
        return cls(database, replace(settings, paths=PathSettings(resources=resources)))

    def upload(self, folder: Path, blueprint_id: str = "bp", **parameters: Any) -> Blueprint:
        """Upload a folder, and return what became of it; an upload that fails raises."""
        execution = self.begin_upload(blueprint_id, folder)
        values: dict[str, Any] = {
            "app_file_name": None,
            "url": None,
            "validate_only": False,
            "labels": [],
        }
        self.run("blueprint.upload", execution, blueprint_id=blueprint_id, **(values | parameters))
        return self.blueprint(blueprint_id)

    def begin_upload(
        self, blueprint_id: str, folder: Path | None, form: str = "gztar"
    ) -> Execution:
        """Do what the REST service does: store the archive, make the rows."""
        if folder is not None:
            place = self.settings.paths.resources / "uploaded-blueprints" / self.tenant
            base = place / blueprint_id / blueprint_id
            base.parent.mkdir(parents=True, exist_ok=True)
            shutil.make_archive(str(base), form, folder.parent, folder.name)
        with self.database.session() as session:
            execution: Execution = self._row(
                Execution, workflow_id="upload_blueprint", status="started"
            )
            session.add(execution)
            session.flush()
            session.add(
                self._row(
                    Blueprint,
                    id=blueprint_id,
                    state="uploading",
                    upload_execution_key=execution.key,
                )
            )
        return execution

    def deploy(
        self, deployment_id: str = "dep", blueprint_id: str = "bp", **parameters: Any
    ) -> Deployment:
        """Make a deployment and its environment; a workflow that fails raises."""
        self.run("deployment_environment.create", self.begin(deployment_id, blueprint_id),
                 **({"inputs": {}} | parameters))  # fmt: skip
        return self.deployment(deployment_id)

    def begin(self, deployment_id: str, blueprint_id: str = "bp", **fields: Any) -> Execution:
        """Do what the REST service does to create a deployment."""
        with self.database.session() as session:
            key = session.scalar(select(Blueprint.key).where(Blueprint.id == blueprint_id))
            deployment = self._row(
                Deployment,
                id=deployment_id,
                display_name=deployment_id,
                blueprint_key=key,
                **fields,
            )
            session.add(deployment)
            session.flush()
        return self.execution(deployment, "create_deployment_environment")

    def execution(self, deployment: Deployment, workflow_id: str) -> Execution:
        """Make an execution of a deployment that has started."""
        with self.database.session() as session:
            execution: Execution = self._row(
                Execution,
                workflow_id=workflow_id,
                status="started",
                deployment_key=deployment.key,
            )
            session.add(execution)
        return execution

    def run(self, name: str, execution: Execution, **parameters: Any) -> None:
        """Run a system workflow."""
        context = SystemContext(settings=self.settings, database=self.database, execution=execution)
        SYSTEM_WORKFLOWS[_PREFIX + name](context, **parameters)

    def end(self, execution: Execution, status: ExecutionStatus, error: str | None = None) -> None:
        """Write the end of an execution as the worker does."""
        with self.database.session() as session:
            finish(session, execution.key, status, error)

    def blueprint(self, blueprint_id: str) -> Blueprint:
        """Return a blueprint of the tenant."""
        with self.database.session() as session:
            return session.scalars(
                select(Blueprint)
                .join(Tenant, Tenant.id == Blueprint.tenant_id)
                .where(Blueprint.id == blueprint_id, Tenant.name == self.tenant)
            ).one()

    def deployment(self, deployment_id: str) -> Deployment:
        """Return a deployment."""
        with self.database.session() as session:
            return session.scalars(select(Deployment).where(Deployment.id == deployment_id)).one()

    def rows(self, model: Any, *columns: str) -> list[tuple[Any, ...]]:
        """Return columns of all rows of a table, in the order of their keys."""
        chosen = [getattr(model, name) for name in columns]
        with self.database.session() as session:
            return [tuple(row) for row in session.execute(select(*chosen).order_by(model.key))]

    def _row(self, model: Callable[..., Any] | type[Resource], **values: Any) -> Any:
        with self.database.session() as session:
            ids: Mapping[str, Any] = {
                "tenant_id": session.scalar(select(Tenant.id).where(Tenant.name == self.tenant)),
                "creator_id": session.scalar(select(User.id).where(User.username == self.username)),
                "visibility": "tenant",
            }
        return model(**{"id": str(uuid.uuid4()), **ids, **values})
