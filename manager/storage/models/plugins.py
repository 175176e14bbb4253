"""Plugins and where they are installed; secrets."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from manager.storage.models.base import SEALED, Base, Resource


class Plugin(Resource):
    """An uploaded plugin: the metadata of its wagon."""

    __tablename__ = "plugins"

    archive_name: Mapped[str]
    package_name: Mapped[str]
    package_version: Mapped[str | None]
    package_source: Mapped[str | None]
    distribution: Mapped[str | None]
    distribution_version: Mapped[str | None]
    distribution_release: Mapped[str | None]
    supported_platform: Mapped[str | None]
    supported_py_versions: Mapped[list[Any] | None]
    wheels: Mapped[list[Any] | None]
    yaml_names: Mapped[list[Any] | None]
    excluded_wheels: Mapped[list[Any] | None]
    uploaded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    title: Mapped[str | None]
    blueprint_labels: Mapped[dict[str, Any] | None]
    labels: Mapped[dict[str, Any] | None]
    resource_tags: Mapped[dict[str, Any] | None]

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        """Return further constraints and indexes of the table."""
        return (Index(None, "package_name", "package_version"),)


class PluginState(Base):
    """How far a plugin's installation is on a manager or an agent."""

    __tablename__ = "plugin_states"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    plugin_key: Mapped[int] = mapped_column(ForeignKey("plugins.key", ondelete="CASCADE"))
    manager_id: Mapped[int | None] = mapped_column(
        ForeignKey("managers.id", ondelete="CASCADE"), index=True
    )
    agent_name: Mapped[str | None]
    state: Mapped[str]
    error: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint(
            "plugin_key", "manager_id", "agent_name", postgresql_nulls_not_distinct=True
        ),
    )


class Secret(Resource):
    """A secret: `id` is its key, `value` is encrypted with the cluster's encryption key."""

    __tablename__ = "secrets"

    value: Mapped[str | None] = mapped_column(info={SEALED: True})
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    is_hidden_value: Mapped[bool] = mapped_column(server_default=text("false"))
    schema: Mapped[dict[str, Any] | None]
    provider_name: Mapped[str | None]
    provider_options: Mapped[str | None]
