"""Operations of host agents, which this runtime does not have yet: each says so, and what to do."""

from typing import Any, NoReturn

from cloudify.exceptions import NonRecoverableError


def _refuse(**_inputs: Any) -> NoReturn:
    raise NonRecoverableError(
        "Host agents are not supported yet: set agent_config.install_method to none, and the"
        " executor of the node's operations to central_deployment_agent"
    )


create = configure = start = stop = stop_amqp = delete = restart = restart_amqp = _refuse
install_plugins = uninstall_plugins = create_amqp = validate_amqp = _refuse
