"""The catalogue that imports draw from: what a user may read in the database."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.dsl.catalogue import CataloguePlugin
from manager.services.authentication import Caller
from manager.services.blueprint_files import unpack_limits
from manager.storage.models import Blueprint, Plugin, Tenant
from manager.storage.scope import readable
from manager.system_workflows.context import SystemContext


class DatabaseCatalogue:
    """Finds the plugins and blueprints of one caller; their files come from the tree."""

    def __init__(self, session: Session, caller: Caller, context: SystemContext) -> None:
        self._session = session
        self._caller = caller
        self._context = context

    def plugins(self, package_name: str) -> Sequence[CataloguePlugin]:
        """Return all uploaded versions of a plugin, the tenant's own last."""
        query = (
            select(Plugin)
            .where(readable(Plugin, self._caller), Plugin.package_name == package_name)
            .order_by(Plugin.tenant_id == self._caller.tenant_id, Plugin.uploaded_at)
        )
        return [self._plugin(row) for row in self._session.scalars(query)]

    def blueprint(self, blueprint_id: str) -> Path | None:
        """Return the main file of an uploaded blueprint, or None."""
        query = (
            select(Tenant.name, Blueprint.main_file_name)
            .join(Tenant, Tenant.id == Blueprint.tenant_id)
            .where(
                readable(Blueprint, self._caller),
                Blueprint.id == blueprint_id,
                Blueprint.state == "uploaded",
                Blueprint.main_file_name.is_not(None),
            )
            .order_by(Blueprint.tenant_id != self._caller.tenant_id)
            .limit(1)
        )
        row = self._session.execute(query).one_or_none()
        if row is None:
            return None
        tenant, main_file = row
        place = self._context.tree.blueprint(tenant, blueprint_id)
        source = self._context.fetcher(self._session, place, self._caller.tenant or "")
        limits = unpack_limits(self._context.settings)
        return source.blueprint(tenant, blueprint_id, limits=limits) / str(main_file)

    def file(self, path: Path) -> Path:
        """Return a file of a plugin, fetched from another manager if need be."""
        tenant = self._caller.tenant or ""
        return self._context.fetcher(self._session, path.parent, tenant).file(path)

    def _plugin(self, row: Plugin) -> CataloguePlugin:
        given: Mapping[str, Any] = {
            "blueprint_labels": row.blueprint_labels,
            "labels": row.labels,
            "resource_tags": row.resource_tags,
        }
        place = self._context.tree.plugin(row.id)
        return CataloguePlugin(
            package_version=row.package_version,
            distribution=row.distribution,
            yaml_paths=tuple(place / name for name in row.yaml_names or ()),
            metadata={name: value for name, value in given.items() if value},
        )
