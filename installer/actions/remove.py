"""Take services away from this node: everything that their stages brought, last things first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from installer.actions.installed import (
    STATE,
    forget_config,
    record_config,
    recorded_config,
    this_config,
)
from installer.actions.node import LOGS, node_inputs
from installer.actions.on_this_node import on_this_node
from installer.actions.reporter import reporter_of
from installer.actions.roles import SERVICES, role_stages
from installer.actions.run_log import logged_to
from installer.bundle.use import APT_FOLDER
from installer.config.model import Document, NodeInputs
from installer.engine.removal import removal
from installer.engine.session import Session
from installer.errors import ConfigError, Problem
from installer.lock import hold_lock
from installer.state import NodeState, Stage

# what every node has; cfy_manager itself, /etc/cloudify and the secrets stay
_NODE = Stage(name="node", state=NodeState(data=(APT_FOLDER,)))


def remove_node(paths: Sequence[Path] = (), services: Sequence[str] = ()) -> tuple[str, ...]:
    """Take services away, by default all that config.yaml names; return a line for each thing.

    What other services of the node need stays, and so does what was there before them.
    """
    config, leaving = _configuration(paths, services)
    staying = [name for name in config["services_to_install"] if name not in leaving]
    with hold_lock(STATE / "lock", "remove"), logged_to(LOGS, "remove"):
        inputs = _readable(node_inputs(config))
        lines = on_this_node(lambda session: _remove(session, inputs, staying))
        if staying:
            record_config({**config, "services_to_install": staying})
        else:
            forget_config()
    return lines


def _configuration(
    paths: Sequence[Path], services: Sequence[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the configuration of all that is installed, and the services that leave."""
    config = this_config(paths, check_files=False)
    whole = recorded_config(check_files=False) or config
    leaving = tuple(services or config["services_to_install"])
    if unknown := [name for name in leaving if name not in whole["services_to_install"]]:
        raise ConfigError(*(_not_here(name, whole) for name in unknown))
    return whole, leaving


def _not_here(service: str, config: Document) -> Problem:
    return Problem(
        where="services_to_install",
        what=f"{service} is not installed on this node",
        remedy=f"name one or more of: {', '.join(config['services_to_install'])}",
    )


def _readable(inputs: NodeInputs) -> NodeInputs:
    """Return the inputs with empty contents for files that are gone: only paths matter here."""

    def read(path: str) -> bytes:
        try:
            return inputs.read(path)
        except FileNotFoundError:
            return b""

    return replace(inputs, read=read)


def _remove(session: Session, inputs: NodeInputs, staying: Sequence[str]) -> tuple[str, ...]:
    roles = role_stages(inputs, session.observe(()).facts)
    roles.pop("reporter", None)  # it may have been configured by hand, and then differs
    kept = {SERVICES[name] for name in staying}
    reporter, rest = reporter_of(inputs.config["services_to_install"]), reporter_of(staying)
    going = (
        *(() if staying else (_NODE,)),
        *(stage for role, stages in roles.items() if role not in kept for stage in stages),
        *(() if rest else reporter),
    )
    remaining = (
        *((_NODE,) if staying else ()),
        *(stage for role, stages in roles.items() if role in kept for stage in stages),
        *rest,
    )
    lines = session.remove(removal(going, remaining))
    for stage in rest:
        lines += session.apply(stage, session.observe([stage])).changes
    return lines
