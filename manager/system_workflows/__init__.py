"""The workflows that the manager itself needs: blueprints and deployment environments.

They run over a database session of their own. Each may run twice: a run that finds its work done
does nothing, one that finds it half done does the rest.
"""

from collections.abc import Callable, Mapping

from manager.system_workflows import blueprint, environment, environment_removal

SYSTEM_WORKFLOWS: Mapping[str, Callable[..., None]] = {
    "cloudify_system_workflows.blueprint.upload": blueprint.upload,
    "cloudify_system_workflows.deployment_environment.create": environment.create,
    "cloudify_system_workflows.deployment_environment.delete": environment_removal.delete,
}

__all__ = ["SYSTEM_WORKFLOWS"]
