"""What requests about deployments can end with, beside the errors that all resources share."""

from manager.errors import RequestError


class DeploymentCreationFailed(RequestError):
    """The deployment's environment could not be made, or its blueprint is not ready."""

    status = 400
    code = "deployment_creation_error"


class MissingRequiredInput(RequestError):
    """An input without a default is not given."""

    status = 400
    code = "missing_required_deployment_input_error"


class UnknownInput(RequestError):
    """An input is given that the blueprint does not declare."""

    status = 400
    code = "unknown_deployment_input_error"


class PluginNotFound(RequestError):
    """The blueprint needs a plugin that is not installed."""

    status = 400
    code = "deployment_plugin_not_found"


class DependentExists(RequestError):
    """Something still needs what is to be deleted."""

    status = 400
    code = "dependent_exists_error"


class ModificationInProgress(RequestError):
    """The deployment is being modified already."""

    status = 400
    code = "existing_started_deployment_modification_error"


class ModificationAlreadyEnded(RequestError):
    """The modification is finished or rolled back."""

    status = 400
    code = "deployment_modification_already_ended_error"


class DeploymentCreationInProgress(RequestError):
    """The deployment's environment is still being made."""

    status = 400
    code = "deployment_environment_creation_in_progress_error"


class IllegalDeploymentUpdate(RequestError):
    """The request changes nothing."""

    status = 400
    code = "illegal_action_error"
