"""What a change of the CA does to a cluster: bring its nodes to the folder's state, prove it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from installer.actions.cluster import Cluster, open_cluster
from installer.actions.install import journaled
from installer.actions.options import RunOptions
from installer.actions.outgoing import outgoing_problems
from installer.actions.recovery import recover
from installer.actions.renewal import is_working
from installer.actions.rollout import roll_out, survey
from installer.actions.rollover import Nodes, RolloverRequest, roll_over
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import hold_cluster
from installer.engine.changes import Difference
from installer.engine.engine import Engine
from installer.engine.target import target_of
from installer.errors import NodeUnreachable, PhaseFailed, Problem, Refused
from installer.events import Listener
from installer.expand.check import load_cluster
from installer.inventory import Inventory, runs_folder
from installer.pki.authority import issue_leaf
from installer.pki.request import LeafRequest
from installer.pki.rollover import CaRollover, Progress
from installer.proof.handshake import look, ports_of, proof_problems
from installer.proof.trust import (
    Proving,
    accepted_problems,
    link_problems,
    refused_problems,
    until_proved,
)
from installer.report import Report

_PATIENCE_S = 150.0  # a busy node reloads late; nothing changes before the proof
# no SANs: etcd compares those of a peer with the address that it comes from
_STRANGER = LeafRequest(common_name="proof-of-trust", days=1)


def roll_over_cluster(path: Path, request: RolloverRequest, report: Report) -> Progress:
    """Change the CA of an inventory's cluster, or go on with the change that was begun."""
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    with (
        hold_cluster(inventory, "certificates rollover"),
        logged_to(folder, "rollover"),
        journaled(folder / "rollover.jsonl", report) as notify,
    ):
        rollover = CaRollover(inventory.certificates_path)
        work = _Work(inventory=inventory, rollover=rollover, notify=notify)
        nodes = Nodes(
            demand_converged=work.demand_converged,
            converge=work.converge,
            prove=work.prove,
            work=work.works,
            recover=work.recover,
            demand_replaced=work.demand_replaced,
        )
        return roll_over(rollover, nodes, request, report.tell)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A cluster during the change of its CA."""

    inventory: Inventory
    rollover: CaRollover
    notify: Listener

    def demand_converged(self) -> None:
        """Raise Refused when a run would change more than certificates."""
        with survey(open_running(self.inventory).jobs()) as seen:
            waiting = [node for node, each in seen.differences().items() if _waits(each)]
        if waiting:
            raise Refused(*(_waiting(node, self.inventory.path) for node in waiting))

    def converge(self, title: str) -> None:
        """Issue what is due, and bring every node to it: one restart at a time, gated."""
        cluster = open_cluster(self.inventory, save=True)
        with survey(cluster.jobs()) as seen:
            ruled = replace(seen, inventory=self.inventory)
            roll_out(ruled, RunOptions(title=title), self.notify)

    def works(self) -> bool:
        """Tell whether services may talk to each other yet."""
        cluster = open_running(self.inventory)
        with _engine(self.inventory) as engine:
            return is_working(look(engine, ports_of(self.inventory, cluster.inputs)))

    def recover(self, title: str) -> None:
        """Issue what is due, and bring it to all nodes at once: no service works alone."""
        recover(open_cluster(self.inventory, save=True), title, self.notify)

    def demand_replaced(self) -> None:
        """Raise Refused while a certificate that the user brought is of the CA that goes."""
        rollover = self.rollover
        if left := tuple(outgoing_problems(self.inventory, rollover.going(), rollover.staying())):
            raise Refused(*left)

    def prove(self, progress: Progress) -> str:
        """Return what the running services proved; raises PhaseFailed with what speaks against."""
        cluster = open_running(self.inventory)
        with _engine(self.inventory) as engine:
            return _proof(_Proof(cluster, engine, self.rollover), progress)


@contextmanager
def _engine(inventory: Inventory) -> Iterator[Engine]:
    with Engine([target_of(node) for node in inventory.nodes]) as engine:
        if unreachable := engine.connect():
            raise NodeUnreachable(*unreachable.values())
        yield engine


class _Proof:
    """Handshakes on the ports and links of a cluster whose CA changes."""

    def __init__(self, cluster: Cluster, engine: Engine, rollover: CaRollover) -> None:
        self._engine = engine
        self._ports = ports_of(cluster.inventory, cluster.inputs)
        self._rollover = rollover
        self.is_late = rollover.has_expired()  # the old CA: who could be shown its certificate?
        self._proving = Proving(
            engine=engine,
            inventory=cluster.inventory,
            inputs=cluster.inputs,
            ours=rollover.nodes_trust(),
        )

    def links(self) -> str:
        """Prove that each link's client accepts its service, and is accepted there."""
        probes = self._proving.probes()
        _demand(lambda: link_problems(self._proving.try_all(probes), len(probes)))
        return f"{len(probes)} links work"

    def ports(self) -> str:
        """Prove that each port shows the certificate that the folder holds for it."""
        _demand(lambda: proof_problems(look(self._engine, self._ports)))
        return f"{len(self._ports)} ports show their present certificate"

    def new_is_taken(self) -> str:
        """Prove that who looks at certificates takes one of the CA that comes."""
        pair = issue_leaf(self._rollover.coming(), _STRANGER)
        probes = self._proving.probes_showing(pair)
        _demand(lambda: refused_problems(self._proving.try_all(probes), len(probes)))
        return f"{len(probes)} ports take a certificate of the new CA"

    def old_is_refused(self) -> str:
        """Prove that nobody who looks at certificates takes one of the CA that went."""
        pair = self._rollover.witness(_STRANGER)
        probes = self._proving.probes_showing(pair)
        _demand(lambda: accepted_problems(self._proving.try_all(probes), len(probes)))
        return f"{len(probes)} ports refuse the certificate of the old CA"


def _proof(proof: _Proof, progress: Progress) -> str:
    words = [proof.links(), proof.ports()]
    if progress is Progress.TRUSTED:
        words.append(proof.new_is_taken())
    if progress is Progress.WITHDRAWN and not proof.is_late:
        words.append(proof.old_is_refused())
    return ", ".join(words)


def _demand(problems: Callable[[], Iterator[Problem]]) -> None:
    if found := until_proved(lambda: tuple(problems()), _PATIENCE_S):
        raise PhaseFailed(*found)


def _waits(found: Difference) -> bool:
    """Tell whether files or packages differ; what a step mends is no change that waits."""
    return any(stage.data_lines() for stage in found.stages)


def _waiting(node: str, path: Path) -> Problem:
    return Problem(
        where=node,
        what="it is not as the inventory says, and a change of the CA would change that too",
        remedy=f"see `cfy_manager cluster plan -i {path}`, run `cluster install`, then this again",
        code="rollover-not-converged",
    )
