"""The roles a node can have, and the stages of each: the one list that knows them all."""

from collections.abc import Callable, Mapping

from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.roles.database.settings import database_settings
from installer.roles.database.state import database_stages
from installer.roles.loadbalancer.settings import loadbalancer_settings
from installer.roles.loadbalancer.state import loadbalancer_stages
from installer.roles.manager.settings import manager_settings
from installer.roles.manager.state import manager_stages
from installer.roles.queue.settings import queue_settings
from installer.roles.queue.state import queue_stages
from installer.roles.reporter.settings import reporter_files, reporter_settings
from installer.roles.reporter.state import reporter_stages
from installer.state import Stage

StagesOf = Callable[[NodeInputs, NodeFacts], tuple[Stage, ...]]


def _database(inputs: NodeInputs, facts: NodeFacts) -> tuple[Stage, ...]:
    return database_stages(database_settings(inputs, facts))


def _queue(inputs: NodeInputs, _: NodeFacts) -> tuple[Stage, ...]:
    return queue_stages(queue_settings(inputs))


def _manager(inputs: NodeInputs, facts: NodeFacts) -> tuple[Stage, ...]:
    return manager_stages(manager_settings(inputs, facts))


def _loadbalancer(inputs: NodeInputs, facts: NodeFacts) -> tuple[Stage, ...]:
    return loadbalancer_stages(loadbalancer_settings(inputs, facts))


def _reporter(inputs: NodeInputs, _: NodeFacts) -> tuple[Stage, ...]:
    settings = reporter_settings(inputs)
    return reporter_stages(settings, reporter_files(inputs, settings)) if settings else ()


# service of `services_to_install` → role
SERVICES = {
    "database_service": "database",
    "queue_service": "queue",
    "manager_service": "manager",
    "loadbalancer_service": "loadbalancer",
}
_STAGES: Mapping[str, StagesOf] = {
    "database": _database,
    "queue": _queue,
    "manager": _manager,
    "loadbalancer": _loadbalancer,
    "reporter": _reporter,
}


def role_stages(inputs: NodeInputs, facts: NodeFacts) -> dict[str, tuple[Stage, ...]]:
    """Return the stages of every role that the node's `services_to_install` ask for.

    The reporter comes last, on each node that has something to report.
    """
    wanted = inputs.config["services_to_install"]
    roles = [role for service, role in SERVICES.items() if service in wanted]
    found = {role: _STAGES[role](inputs, facts) for role in [*roles, "reporter"]}
    return {role: stages for role, stages in found.items() if stages}
