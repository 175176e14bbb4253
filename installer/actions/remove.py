"""Take services away from this node: everything that their stages brought, last things first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from installer.actions.installed import (
    STATE,
    Installed,
    read_installed,
    this_node,
    write_installed,
)
from installer.actions.node import LOGS, node_inputs
from installer.actions.node_mark import hold_node
from installer.actions.on_this_node import on_this_node
from installer.actions.reporter import reporter_of
from installer.actions.roles import SERVICES, role_stages
from installer.actions.run_log import logged_to
from installer.bundle.use import APT_FOLDER
from installer.config.model import NodeInputs
from installer.engine.removal import removal
from installer.engine.session import Session
from installer.errors import ConfigError, Problem
from installer.state import NodeState, Stage

# what every node has; cfy_manager itself, /etc/cloudify and the secrets stay
_NODE = Stage(name="node", state=NodeState(data=(APT_FOLDER,)))


def remove_node(paths: Sequence[Path] = (), services: Sequence[str] = ()) -> tuple[str, ...]:
    """Take services away, by default all that config.yaml names; return a line for each thing.

    What other services of the node need stays, and so does what was there before them.
    """
    named = this_node(paths, STATE, check_files=False)
    whole = read_installed(STATE) or named
    leaving = tuple(services or named.services)
    if problems := [_not_here(name, whole) for name in leaving if name not in whole.services]:
        raise ConfigError(*problems)
    with hold_node("remove"), logged_to(LOGS, "remove"):
        inputs = _readable(node_inputs(whole))
        lines = on_this_node(lambda session: _remove(session, inputs, whole, leaving))
        write_installed(whole.without(leaving), STATE)
    return lines


def _not_here(service: str, installed: Installed) -> Problem:
    return Problem(
        where=service,
        what="this service is not installed here",
        remedy=f"name one or more of: {', '.join(installed.services)}",
    )


def _readable(inputs: NodeInputs) -> NodeInputs:
    """Return the inputs with no content for files that are gone: only paths matter here."""

    def read(path: str) -> bytes:
        return inputs.read(path) if path and Path(path).exists() else b""

    return replace(inputs, read=read)


def _remove(
    session: Session, inputs: NodeInputs, whole: Installed, leaving: Sequence[str]
) -> tuple[str, ...]:
    roles = role_stages(inputs, session.observe(()).facts)
    staying = whole.without(leaving).services
    reporter, rest = reporter_of(whole.services), reporter_of(staying)
    going = (
        *(() if staying else (_NODE,)),
        *_stages(roles, leaving),
        *(() if rest else reporter),
    )
    remaining = (
        *((_NODE,) if staying else ()),
        *_stages(roles, staying),
        *rest,
    )
    lines = session.remove(removal(going, remaining))
    for stage in rest:
        lines += session.apply(stage, session.observe([stage])).changes
    return lines


def _stages(roles: Mapping[str, tuple[Stage, ...]], services: Sequence[str]) -> Iterator[Stage]:
    """Yield the stages of services in the order in which roles depend on each other."""
    for service, role in SERVICES.items():
        if service in services:
            yield from roles[role]
