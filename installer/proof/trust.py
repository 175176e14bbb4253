"""Prove on running services who trusts whom: every link by its client, every port by a stranger.

Each link is tried from its own source, with the files that the source trusts and shows. A port
that looks at its clients' certificates is shown a further one, and either takes or refuses it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from installer.config.model import NodeInputs
from installer.engine.engine import Engine
from installer.errors import Problem
from installer.inventory import Inventory
from installer.links import Link, Transport, links, listeners
from installer.links.files import file_in, pair_in
from installer.pki.authority import KeyPair
from installer.preflight.network.plan import Probe
from installer.preflight.network.requests import TAKEN, connect_request
from installer.preflight.network.tls import tls_problems
from installer.preflight.network.tried import Attempt, Stage, read_attempts

_REFUSAL_S = 1.0  # nobody waits for this proof; a busy service may take a while to refuse
_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """The links of a cluster, as their sources use them."""

    engine: Engine
    inventory: Inventory
    inputs: Mapping[str, NodeInputs]
    ours: bytes = field(repr=False)  # the file of trusted CAs that a store issues for

    def probes(self) -> tuple[Probe, ...]:
        """Return every link that speaks TLS and whose source is a node, each once on the wire."""
        found: dict[tuple[object, ...], Probe] = {}
        for link in links(self.inventory):
            if link.tls is None or link.transport is not Transport.TCP or link.is_from_outside:
                continue
            probe = self._probe(link)
            name = link.tls.server_name
            key = (link.source, link.address, link.port, name, probe.pair, probe.trust)
            found.setdefault(key, probe)
        return tuple(found.values())

    def probes_showing(self, pair: KeyPair) -> tuple[Probe, ...]:
        """Return one link to each port that verifies its clients by our CAs, with another pair."""
        looking = {
            (door.node, door.port)
            for door in listeners(self.inventory)
            if file_in(self.inputs[door.node], door.trust) == self.ours
        }
        shown = pair.certificate.rstrip() + b"\n" + pair.key
        chosen = {
            (probe.link.target, probe.link.port): replace(probe, pair=shown)
            for probe in self.probes()
            if (probe.link.target, probe.link.port) in looking and not probe.link.is_external
        }
        return tuple(chosen.values())

    def try_all(self, probes: Iterable[Probe]) -> tuple[Attempt, ...]:
        """Try connections from their sources, all at once; one command on each node."""
        by_node: dict[str, list[Probe]] = defaultdict(list)
        states: dict[str, dict[int, str]] = defaultdict(dict)
        for probe in probes:
            by_node[probe.link.source].append(probe)
            states[probe.link.target][probe.link.port] = TAKEN  # a service answers, not we
        outcomes = self.engine.on_each(
            by_node,
            lambda node: node.connect(
                connect_request(by_node[node.name], states) | {"refusal_s": _REFUSAL_S}
            ),
        )
        return tuple(
            attempt
            for name, outcome in outcomes.items()
            for attempt in read_attempts(by_node[name], outcome.value or (), states, {})
        )

    def _probe(self, link: Link) -> Probe:
        inputs, tls = self.inputs[link.source], link.tls
        if tls is None:
            return Probe(link=link, pair=None)
        return Probe(link=link, pair=pair_in(inputs, tls.client), trust=file_in(inputs, tls.trust))


def link_problems(attempts: Sequence[Attempt], wanted: int) -> Iterator[Problem]:
    """Yield why links do not work; `wanted` is how many were to be tried."""
    yield from tls_problems(attempts)
    for attempt in attempts:
        fault = attempt.fault
        if fault is not None and fault.stage is not Stage.TLS:
            yield Problem(
                where=f"{attempt.link.source} → {attempt.link.target}",
                what=f"{_door(attempt)} does not answer: {fault.words or fault.why}",
                remedy=f"look at the service on {attempt.link.target}, then run this again",
                code="proof-unanswered",
            )
    yield from _untried(wanted - len(attempts))


def refused_problems(attempts: Sequence[Attempt], wanted: int) -> Iterator[Problem]:
    """Yield each port that refuses the certificate of a CA that it must trust by now."""
    for attempt in attempts:
        if attempt.fault is not None:
            yield Problem(
                where=attempt.link.target,
                what=f"{_door(attempt)} refuses the new CA: {attempt.fault.words}",
                remedy="run this again; if it stays, restart the service: it has not read the file",
                code="ca-not-trusted",
            )
    yield from _untried(wanted - len(attempts))


def accepted_problems(attempts: Sequence[Attempt], wanted: int) -> Iterator[Problem]:
    """Yield each port that takes the certificate of a CA that nobody must trust any more."""
    for attempt in attempts:
        if attempt.fault is None or attempt.fault.stage is not Stage.TLS:
            words = attempt.fault.words if attempt.fault else "it takes its certificates"
            yield Problem(
                where=attempt.link.target,
                what=f"{_door(attempt)} does not refuse the old CA: {words}",
                remedy="run this again; if it stays, restart the service: it has not read the file",
                code="ca-still-trusted",
            )
    yield from _untried(wanted - len(attempts))


def until_proved(look: Callable[[], Sequence[Problem]], patience_s: float) -> tuple[Problem, ...]:
    """Return what speaks against a proof, none as soon as nothing does."""
    deadline = time.monotonic() + patience_s
    while problems := tuple(look()):
        if time.monotonic() > deadline:
            return problems
        time.sleep(_AGAIN_S)
    return ()


def _door(attempt: Attempt) -> str:
    return f"{attempt.link.service} (port {attempt.link.port})"


def _untried(count: int) -> Iterator[Problem]:
    if count > 0:
        yield Problem(
            where="the proof",
            what=f"{count} connections could not be tried: a node did not answer",
            remedy="look why it did not, then run this again",
            code="proof-unanswered",
        )
