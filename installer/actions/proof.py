"""Await that every port of some nodes shows its certificate: a phase at the end of a run."""

import functools
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from installer.config.model import NodeInputs
from installer.engine.engine import Engine
from installer.events import Event, EventKind, Listener, Outcome
from installer.inventory import Inventory
from installer.phases import Phase, PhaseResult
from installer.proof.handshake import Look, look, ports_of, proof_problems

PHASE = "certificates/proof"
PATIENCE_S = 150.0  # a broker of an older release reads its files anew within two minutes
RECOVERY_S = 420.0  # brokers whose start met expired certificates end it, and begin anew
_PAUSE_S = 1.0


@dataclass(slots=True)
class Proof:
    """Shakes hands with ports until all show what is configured, or the patience ends."""

    inventory: Inventory
    inputs: Mapping[str, NodeInputs]
    engine: Engine
    patience_s: float = PATIENCE_S
    proved: int = field(default=0, init=False)

    def phase(self, nodes: Collection[str], notify: Listener) -> Phase:
        """Return the phase that proves the ports of these nodes."""
        work = functools.partial(self._prove, tuple(nodes), notify)
        return Phase(name=PHASE, nodes=tuple(nodes), work=work)

    def _prove(self, nodes: tuple[str, ...], notify: Listener) -> PhaseResult:
        began = time.monotonic()
        for node in nodes:
            notify(Event(kind=EventKind.NODE_STARTED, run="", phase=PHASE, node=node))
        seen = self._awaited(nodes, notify)
        problems = tuple(proof_problems(seen))
        proved = Counter(each.listener.node for each in seen.shown if each.is_proved)
        lacking = {problem.where.partition(":")[0] for problem in problems}
        for node in nodes:
            outcome = Outcome.FAILED if node in lacking else Outcome.UNCHANGED
            notify(_ended(node, outcome, proved[node], time.monotonic() - began))
        self.proved += proved.total()
        outcome = Outcome.FAILED if problems else Outcome.UNCHANGED
        return PhaseResult(phase=PHASE, outcome=outcome, problems=problems)

    def _awaited(self, nodes: tuple[str, ...], notify: Listener) -> Look:
        """Return the first look that proves every port, or the last."""
        ports = [p for p in ports_of(self.inventory, self.inputs) if p.listener.node in nodes]
        deadline = time.monotonic() + self.patience_s
        seen = look(self.engine, ports)
        while next(proof_problems(seen), None) is not None and time.monotonic() < deadline:
            _tell(seen, notify)
            time.sleep(_PAUSE_S)
            seen = look(self.engine, ports)
        return seen


def _tell(seen: Look, notify: Listener) -> None:
    for shown in seen.shown:
        if not shown.is_proved:
            text = f"{shown.listener.service} does not show its certificate yet"
            node = shown.listener.node
            notify(Event(kind=EventKind.NODE_NOTE, run="", phase=PHASE, node=node, text=text))


def _ended(node: str, outcome: Outcome, proved: int, seconds: float) -> Event:
    return Event(
        kind=EventKind.NODE_FINISHED,
        run="",
        phase=PHASE,
        node=node,
        outcome=outcome,
        seconds=seconds,
        text=f"{proved} ports proved",
    )
