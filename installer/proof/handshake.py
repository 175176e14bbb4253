"""Look which certificate each port of the cluster shows in a handshake now, and compare it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from installer.config.model import NodeInputs
from installer.engine.engine import Engine
from installer.engine.pems import Pems
from installer.errors import Problem
from installer.inventory import Inventory
from installer.links import LOOPBACK, Listener, Service, listeners
from installer.links.files import file_in, pair_in
from installer.links.listeners import VERIFIED_BY
from installer.pki.facts import CertificateFacts, read_der, read_facts

_LIMITS = {"connect_s": 3.0, "answer_s": 5.0, "total_s": 15.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that speaks TLS, the certificate that it must show, and who verifies it."""

    listener: Listener
    address: str
    pair: bytes = field(repr=False)  # a client shows it too: some ports demand one of their own
    trust: bytes | None

    @property
    def wanted(self) -> CertificateFacts:
        """Return what the certificate says that the configuration wants here."""
        return read_facts(self.pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one port showed in a handshake."""

    listener: Listener
    wanted: CertificateFacts
    found: CertificateFacts | None  # None: there was no handshake
    fault: str = ""  # why a client would refuse it; empty: it would not

    @property
    def is_current(self) -> bool:
        """Tell whether the port shows the very certificate that is configured."""
        return self.found is not None and self.found.fingerprint == self.wanted.fingerprint

    @property
    def is_proved(self) -> bool:
        """Tell whether a client accepts the port, and meets the configured certificate."""
        return self.is_current and not self.fault

    @property
    def state(self) -> str:
        """Return how the port is, in an operator's words."""
        if self.found is None:
            return f"no handshake: {self.fault}"
        faults = [f"refused: {self.fault}"] if self.fault else []
        if not self.is_current:
            faults.append(f"not the configured one, {self.wanted.serial_text}")
        return "; ".join(faults) or "as configured"

    @property
    def place(self) -> str:
        """Return the port in an operator's words."""
        return f"{self.listener.node}: {self.listener.service} (port {self.listener.port})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What every port showed, and the nodes that could not be asked."""

    shown: tuple[Shown, ...] = ()
    absent: Mapping[str, Problem] = field(default_factory=dict)


def ports_of(inventory: Inventory, inputs: Mapping[str, NodeInputs]) -> tuple[Port, ...]:
    """Return every port of the cluster that speaks TLS, each once."""
    found: dict[tuple[str, int], Port] = {}
    for listener in listeners(inventory):
        if port := _port(inventory, inputs[listener.node], listener):
            found.setdefault((listener.node, listener.port), port)
    return tuple(found.values())


def _port(inventory: Inventory, inputs: NodeInputs, listener: Listener) -> Port | None:
    pair = pair_in(inputs, listener.certificate)
    if listener.certificate is None or pair is None:
        return None
    trusted = (file_in(inputs, key) for key in VERIFIED_BY[listener.certificate])
    return Port(
        listener=listener,
        address=LOOPBACK if listener.is_loopback else inventory.node(listener.node).address,
        pair=pair,
        trust=next((file for file in trusted if file is not None), None),
    )


def look(engine: Engine, ports: Sequence[Port]) -> Look:
    """Shake hands with every port from its own node; one command on each node."""
    by_node: dict[str, list[Port]] = defaultdict(list)
    for port in ports:
        by_node[port.listener.node].append(port)
    outcomes = engine.on_each(
        by_node, lambda session: session.handshakes(handshake_request(by_node[session.name]))
    )
    return Look(
        shown=tuple(
            shown_of(port, told)
            for node, outcome in outcomes.items()
            for port, told in zip(by_node[node], outcome.value or (), strict=False)
        ),
        absent={node: outcome.error for node, outcome in outcomes.items() if outcome.error},
    )


def handshake_request(ports: Sequence[Port]) -> dict[str, Any]:
    """Return the request for `node/handshake.py`; keys go to their own node only, by stdin."""
    pems = Pems()
    wishes = [
        {
            "address": port.address,
            "port": port.listener.port,
            "start": "postgresql" if port.listener.service is Service.POSTGRESQL else "",
            "trial": False,
            "tls": {"name": None},
            "pair": pems.number(port.pair),
            "trust": pems.number(port.trust),
        }
        for port in ports
    ]
    return {"wishes": wishes, "pems": pems.files, **_LIMITS}


def shown_of(port: Port, told: Mapping[str, Any]) -> Shown:
    """Return what a node told of one port."""
    der = told["certificate"]
    return Shown(
        listener=port.listener,
        wanted=port.wanted,
        found=read_der(der) if der is not None else None,
        fault=str(told["words"] or told["why"]),
    )


def proof_problems(seen: Look) -> Iterator[Problem]:
    """Yield a problem for each port that is not proved, and for each node that said nothing."""
    yield from seen.absent.values()
    for shown in seen.shown:
        if not shown.is_proved:
            yield Problem(where=shown.place, what=_what(shown), remedy=_REMEDY, code=_code(shown))


def _what(shown: Shown) -> str:
    if shown.found is None:
        return f"no handshake: {shown.fault}"
    if not shown.is_current:
        return (
            f"it shows the certificate {shown.found.serial_text} "
            f"(expires {shown.found.not_after:%Y-%m-%d %H:%M} UTC), "
            f"and not {shown.wanted.serial_text}"
        )
    return f"clients refuse its certificate: {shown.fault}"


def _code(shown: Shown) -> str:
    if shown.found is None:
        return "certificate-not-shown"
    return "certificate-refused" if shown.is_current else "certificate-not-current"


_REMEDY = "run the same command again: it goes on where this run ended"
