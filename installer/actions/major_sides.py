"""A cluster with one major version of PostgreSQL and with another: what its nodes are in each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from installer.actions.cluster import Cluster
from installer.actions.rollout import StagesByRole, stages_seen
from installer.actions.running import open_running
from installer.config.merge import merged, nested
from installer.engine.engine import Engine
from installer.errors import NodeUnreachable
from installer.inventory import Inventory, Role
from installer.roles.database.model import DatabaseSettings
from installer.roles.database.settings import database_settings
from installer.state import Stage

MAJOR = ("postgresql_server", "major_version")
_PATRONI, _PACKAGES = "database/patroni", "database/packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The cluster as it is with one major version."""

    cluster: Cluster
    stages: StagesByRole
    settings: Mapping[str, DatabaseSettings]  # by node

    @property
    def major(self) -> int:
        """Return the major version."""
        return next(iter(self.settings.values())).release.postgresql

    def patroni(self, node: str) -> Stage:
        """Return the stage that runs PostgreSQL on a node."""
        return self._stage(node, _PATRONI)

    def packages(self, node: str) -> Stage:
        """Return the stage that brings its packages."""
        return self._stage(node, _PACKAGES)

    def _stage(self, node: str, name: str) -> Stage:
        return next(stage for stage in self.stages[node]["database"] if stage.name == name)


def side_of(engine: Engine, inventory: Inventory, major: int | None = None) -> Side:
    """Return the cluster with a major version, or with the one that its inventory says."""
    cluster = open_running(with_major(inventory, major) if major else inventory)
    names = [node.name for node in inventory.with_role(Role.DATABASE)]
    outcomes = engine.on_each(names, lambda session: session.observe(()).facts)
    if failed := [outcome.error for outcome in outcomes.values() if outcome.error is not None]:
        raise NodeUnreachable(*failed)
    settings = {
        name: database_settings(cluster.inputs[name], outcome.value)
        for name, outcome in outcomes.items()
        if outcome.value is not None
    }
    return Side(cluster=cluster, stages=stages_seen(engine, cluster.jobs()), settings=settings)


def with_major(inventory: Inventory, major: int) -> Inventory:
    """Return an inventory that names a major version."""
    return replace(inventory, settings=merged(inventory.settings, nested(MAJOR, major)))


def named_major(inventory: Inventory) -> int | None:
    """Return the major version that an inventory names, None where it leaves that to the hosts."""
    group, name = MAJOR
    major: int | None = inventory.settings.get(group, {}).get(name)
    return major
