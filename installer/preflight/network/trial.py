"""Try the network: one round opens ports on all nodes, one connects, one closes them again."""

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from installer.engine.engine import Engine
from installer.engine.outcome import Outcome
from installer.engine.session import Session
from installer.errors import Problem
from installer.links import Link
from installer.preflight.network.plan import NetworkPlan, Probe
from installer.preflight.network.requests import OPEN, TAKEN, connect_request, listen_request
from installer.preflight.network.tried import Refusals, Tried, read_attempts

States = Mapping[str, Mapping[int, str]]  # node, port: "open", "taken", or why not
Ports = Collection[tuple[str, int]]  # node, port


def try_network(engine: Engine, plan: NetworkPlan, *, foreign: Ports = ()) -> Tried:
    """Return how every connection of a plan went; three commands on each node.

    Where a service of ours runs already it is asked itself. `foreign` ports are held by others
    and are left alone.
    """
    began = time.monotonic()
    if plan.is_empty:
        return Tried(nodes=plan.nodes)
    token = secrets.token_hex(16)
    try:
        opened = engine.on_each(plan.nodes, lambda node: _listen(node, plan, token))
        states = {name: found.value for name, found in opened.items() if found.value is not None}
        wanted = {name: _asked(plan.probes[name], states, foreign) for name in states}
        told = engine.on_each(
            states, lambda node: node.connect(connect_request(wanted[node.name], states))
        )
    finally:
        ended = engine.on_each(plan.nodes, lambda node: node.end_listening(token))
    refused = _refusals(ended)
    return Tried(
        nodes=plan.nodes,
        attempts=tuple(
            attempt
            for name, outcome in told.items()
            for attempt in read_attempts(wanted[name], outcome.value or (), states, refused)
        ),
        skipped=tuple(
            probe.link
            for name, probes in wanted.items()
            for probe in plan.probes[name]
            if probe not in probes
        ),
        unopened={
            (name, port): why
            for name, ports in states.items()
            for port, why in ports.items()
            if why not in (OPEN, TAKEN)
        },
        absent=_errors(opened) | _errors(told),
        seconds=time.monotonic() - began,
    )


def _listen(node: Session, plan: NetworkPlan, token: str) -> Mapping[int, str]:
    return node.listen(listen_request(plan.openings[node.name], token))


def _asked(probes: Sequence[Probe], states: States, foreign: Ports) -> tuple[Probe, ...]:
    """Return the probes whose target is there to answer."""
    return tuple(probe for probe in probes if _is_answered(probe.link, states, foreign))


def _is_answered(link: Link, states: States, foreign: Ports) -> bool:
    if link.is_external:
        return True
    state = states.get(link.target, {}).get(link.port)
    return state in (OPEN, TAKEN) and (link.target, link.port) not in foreign


def _refusals(ended: Mapping[str, Outcome[list[Any]]]) -> Refusals:
    return {
        (address, port): (code, words)
        for outcome in ended.values()
        for address, port, code, words in outcome.value or ()
    }


def _errors(outcomes: Mapping[str, Outcome[Any]]) -> dict[str, Problem]:
    return {name: outcome.error for name, outcome in outcomes.items() if outcome.error}
