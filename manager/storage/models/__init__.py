"""The tables of the manager's database."""

from manager.storage.models.access import (
    SYSTEM_ROLE,
    TENANT_ROLE,
    Role,
    Tenant,
    Token,
    User,
    UserTenant,
)
from manager.storage.models.base import (
    GLOBAL,
    PRIVATE,
    TENANT_WIDE,
    VISIBILITIES,
    Base,
    Resource,
)
from manager.storage.models.blueprints import Blueprint, BlueprintLabel, Site
from manager.storage.models.cluster import (
    Broker,
    ConfigEntry,
    DatabaseNode,
    MaintenanceMode,
    Manager,
    NodeReport,
    ProviderContext,
)
from manager.storage.models.deployments import (
    Deployment,
    DeploymentLabel,
    DeploymentModification,
    InterDeploymentDependency,
    Node,
    NodeInstance,
)
from manager.storage.models.executions import EVENT, LOG, Event, Execution, Operation, TasksGraph
from manager.storage.models.plugins import Plugin, PluginState, Secret

__all__ = [
    "EVENT",
    "GLOBAL",
    "LOG",
    "PRIVATE",
    "SYSTEM_ROLE",
    "TENANT_ROLE",
    "TENANT_WIDE",
    "VISIBILITIES",
    "Base",
    "Blueprint",
    "BlueprintLabel",
    "Broker",
    "ConfigEntry",
    "DatabaseNode",
    "Deployment",
    "DeploymentLabel",
    "DeploymentModification",
    "Event",
    "Execution",
    "InterDeploymentDependency",
    "MaintenanceMode",
    "Manager",
    "Node",
    "NodeInstance",
    "NodeReport",
    "Operation",
    "Plugin",
    "PluginState",
    "ProviderContext",
    "Resource",
    "Role",
    "Secret",
    "Site",
    "TasksGraph",
    "Tenant",
    "Token",
    "User",
    "UserTenant",
]
