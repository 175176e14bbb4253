"""Blueprints, and the sites that deployments are at."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from manager.storage.models.base import Base, Resource


class Blueprint(Resource):
    """An uploaded blueprint; `plan` is what the parser made of it, null until `uploaded`."""

    __tablename__ = "blueprints"

    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    main_file_name: Mapped[str | None]
    plan: Mapped[dict[str, Any] | None]
    description: Mapped[str | None]
    is_hidden: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[str]
    error: Mapped[str | None]
    error_traceback: Mapped[str | None]
    requirements: Mapped[dict[str, Any] | None]
    upload_execution_key: Mapped[int | None] = mapped_column(
        ForeignKey("executions.key", ondelete="SET NULL", use_alter=True), index=True
    )


class BlueprintLabel(Base):
    """One label of a blueprint."""

    __tablename__ = "blueprint_labels"

    key: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    blueprint_key: Mapped[int] = mapped_column(ForeignKey("blueprints.key", ondelete="CASCADE"))
    name: Mapped[str]
    value: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    creator_id: Mapped[int] = mapped_column(ForeignKey("users.id"))

    __table_args__ = (
        UniqueConstraint("blueprint_key", "name", "value"),
        Index(None, "name", "value"),
    )


class Site(Resource):
    """A place where deployments are; its `id` is its name."""

    __tablename__ = "sites"

    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
