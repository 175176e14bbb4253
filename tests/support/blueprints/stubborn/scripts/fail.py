from cloudify import ctx
from cloudify.exceptions import NonRecoverableError, RecoverableError
from cloudify.state import ctx_parameters as inputs

attempts = ctx.instance.runtime_properties.get("attempts", 0) + 1
ctx.instance.runtime_properties["attempts"] = attempts
ctx.logger.info("attempt %d, retry %d", attempts, ctx.operation.retry_number)
if attempts <= inputs["failures"]:
    if inputs["recoverable"]:
        raise RecoverableError(f"attempt {attempts} failed")
    raise NonRecoverableError("there is no way")
