"""`cfy_manager start`, `stop` and `restart`: the services of this node."""

from collections.abc import Sequence

import click

from installer.actions.node_services import ServiceVerb, control_services
from installer.actions.roles import SERVICES
from installer.report import print_text

_HELP = {"help_option_names": ["-h", "--help"]}
_SERVICES = click.argument(
    "services", nargs=-1, metavar="[SERVICE]...", type=click.Choice(list(SERVICES))
)


@click.command(context_settings=_HELP)
@_SERVICES
def start(services: tuple[str, ...]) -> None:
    """Start services of this node, by default all, and wait until they answer.

    \b
    cfy_manager start
    cfy_manager start manager_service
    """
    _tell(control_services(ServiceVerb.START, services))


@click.command(context_settings=_HELP)
@_SERVICES
def stop(services: tuple[str, ...]) -> None:
    """Stop services of this node, by default all, the last that was started first.

    They start again with the host, or by `cfy_manager start`. In a cluster ask first whether the
    others can do without this node: `cfy_manager may-stop` here, `cluster may-stop` on the
    controller.

    Example: cfy_manager stop manager_service
    """
    _tell((*control_services(ServiceVerb.STOP, services), "Next: cfy_manager start"))


@click.command(context_settings=_HELP)
@_SERVICES
def restart(services: tuple[str, ...]) -> None:
    """Stop services of this node, by default all, then start them and wait until they answer.

    Example: cfy_manager restart queue_service
    """
    _tell(control_services(ServiceVerb.RESTART, services))


def _tell(lines: Sequence[str]) -> None:
    print_text("\n".join(lines))
