"""What evaluating functions can end with."""

from manager.errors import RequestError


class FunctionsEvaluationFailed(RequestError):
    """A function of a payload, a node or a node instance cannot be evaluated."""

    status = 400
    code = "functions_evaluation_error"


class OutputsEvaluationFailed(RequestError):
    """An output of a deployment cannot be evaluated."""

    status = 400
    code = "deployment_outputs_evaluation_error"


class CapabilitiesEvaluationFailed(RequestError):
    """A capability of a deployment cannot be evaluated."""

    status = 400
    code = "deployment_capabilities_evaluation_error"


class ImpossibleModification(RequestError):
    """The deployment's relationships do not allow these numbers of instances."""

    status = 400
    code = "illegal_action_error"
