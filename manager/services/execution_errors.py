"""What requests about executions can end with, beside the errors that all resources share."""

from manager.errors import RequestError


class ExistingRunningExecution(RequestError):
    """Another execution stands in the way."""

    status = 400
    code = "existing_running_execution_error"


class IllegalAction(RequestError):
    """The execution's status does not allow the action."""

    status = 400
    code = "illegal_action_error"


class IllegalExecutionParameters(RequestError):
    """The workflow does not take these parameters."""

    status = 400
    code = "illegal_execution_parameters_error"


class InvalidExecutionStatus(RequestError):
    """The reported status cannot follow the present one; the code is the original's spelling."""

    status = 400
    code = "invalid_exception_status_update"


class NonexistentWorkflow(RequestError):
    """The deployment has no such workflow."""

    status = 400
    code = "nonexistent_workflow_error"


class UnavailableWorkflow(RequestError):
    """The workflow's availability rules do not hold."""

    status = 400
    code = "unavailable_workflow_error"


class DeploymentEnvironmentPending(RequestError):
    """The deployment's environment has not begun to be made."""

    status = 400
    code = "deployment_environment_creation_pending_error"


class DeploymentEnvironmentInProgress(RequestError):
    """The deployment's environment is being made."""

    status = 400
    code = "deployment_environment_creation_in_progress_error"


class DeploymentEnvironmentFailed(RequestError):
    """The deployment's environment could not be made."""

    status = 400
    code = "deployment_creation_error"


class ForbiddenWhileCancelling(RequestError):
    """An execution that is being cancelled starts nothing new."""

    status = 403
    code = "forbidden_while_cancelling"
