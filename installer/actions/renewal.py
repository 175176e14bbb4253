"""Give a running cluster new certificates: issue, bring, let services take them, prove each port.

No service stops for it: each reads its certificate anew for every connection, or is reloaded. Only
file replication and the status reporters restart, whom no client sees. One node comes first, and
the others when its ports are proved; after an expiry all come at once, for none works alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from installer.actions.broker_starts import broker_phase
from installer.actions.certificate_part import (
    gate_part,
    naming_part,
    renamed_part,
    trust_problems,
)
from installer.actions.certificates import issued_problems
from installer.actions.install import journaled
from installer.actions.may_stop import demand_nodes
from installer.actions.options import RunOptions
from installer.actions.proof import PATIENCE_S, RECOVERY_S, Proof
from installer.actions.renewal_record import RenewalRecord
from installer.actions.rollout import Survey, roll_out, survey
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import hold_cluster
from installer.errors import ConfigError, Problem, Refused
from installer.events import Listener
from installer.expand import CertificateRequest, certificate_requests, serves
from installer.expand.check import load_cluster
from installer.inventory import Inventory, Role, runs_folder
from installer.phases import PhaseResult
from installer.pki.store import CertificateStore, Change
from installer.proof.handshake import Look, look, ports_of
from installer.report import Report

JOURNAL = "certificates.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewRequest:
    """What the operator asked of a renewal."""

    nodes: tuple[str, ...] = ()  # all
    services: tuple[Role, ...] = ()  # all
    again: bool = False  # issue anew what a run that did not end has issued
    issue: bool = True  # else only bring what is on the controller, which the user may have changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """What a renewal did."""

    issued: tuple[Change, ...]
    proved: int  # ports
    results: tuple[PhaseResult, ...]
    log_path: Path


def renew_certificates(path: Path, request: RenewRequest, report: Report) -> Renewed:
    """Renew the certificates that are asked for, and prove that their ports show them.

    Goes on where a run that did not end stopped. Raises before any change: ConfigError for
    certificates that services could not use, NodeUnreachable, Refused.
    """
    inventory = load_cluster(path)
    demand_nodes(inventory, request.nodes)
    chosen = _chosen(inventory, request)
    folder = runs_folder(inventory)
    with (
        hold_cluster(inventory, "certificates renew"),
        logged_to(folder, "certificates") as log_path,
    ):
        renewal = Renewal(inventory, request, report)
        with journaled(folder / JOURNAL, report) as notify:
            issued, proved, results = renewal.go(chosen, notify)
    return Renewed(issued=issued, proved=proved, results=results, log_path=log_path)


def requests_of(inventory: Inventory, request: RenewRequest) -> tuple[CertificateRequest, ...]:
    """Return the certificates that a renewal is about, in the order of the inventory."""
    services = request.services or tuple(Role)
    return tuple(
        wanted
        for wanted in certificate_requests(inventory)
        if (not request.nodes or wanted.node in request.nodes)
        and any(serves(wanted, inventory, service) for service in services)
    )


def _chosen(inventory: Inventory, request: RenewRequest) -> tuple[CertificateRequest, ...]:
    chosen = requests_of(inventory, request)
    if not chosen:
        what = f"{', '.join(request.services)} runs on none of {', '.join(request.nodes) or 'them'}"
        raise ConfigError(
            Problem(where="--service", what=what, remedy="leave out --service or --node")
        )
    return chosen


class Renewal:
    """One run, under the cluster's lock."""

    def __init__(self, inventory: Inventory, request: RenewRequest, report: Report) -> None:
        self._inventory = inventory
        self._request = request
        self._report = report
        self._store = CertificateStore(inventory.certificates_path)
        self._record = RenewalRecord(runs_folder(inventory))

    def go(
        self, chosen: Sequence[CertificateRequest], notify: Listener
    ) -> tuple[tuple[Change, ...], int, tuple[PhaseResult, ...]]:
        """Return what was issued, how many ports were proved, and what the phases did."""
        nodes = self.nodes(chosen)
        cluster = open_running(self._inventory)
        jobs = [job for job in cluster.jobs() if job.inputs.name in nodes]
        with survey(jobs, part=naming_part, with_content=True) as seen:
            seen = replace(seen, part=renamed_part(seen)).beside(jobs)
            self._demand_same_trust(seen)
            ports = ports_of(self._inventory, cluster.inputs)
            works = is_working(
                look(seen.engine, [port for port in ports if port.listener.node in nodes])
            )
            issued = self.issue(chosen) if self._request.issue else ()
            self.demand_usable(nodes)
            cluster = open_running(self._inventory)
            seen = seen.beside([job for job in cluster.jobs() if job.inputs.name in nodes])
            patience_s = PATIENCE_S if works else RECOVERY_S
            proof = Proof(self._inventory, cluster.inputs, seen.engine, patience_s)
            results: tuple[PhaseResult, ...] = ()
            for group in node_groups(tuple(seen.stages), works=works):
                prove = proof.phase(group, notify)
                options = RunOptions(title=f"Bringing certificates to {', '.join(group)}")
                last = (prove,) if works else (broker_phase(seen.on(group)), prove)
                results += roll_out(seen.on(group), options, notify, last=last)
            self._record.put_back(self._left())
            gates = replace(seen, part=gate_part).beside(
                [job for job in cluster.jobs() if job.inputs.name in nodes]
            )
            title = "Looking at the services"
            results += roll_out(gates, RunOptions(title=title), notify)
        return issued, proof.proved, results

    def nodes(self, chosen: Sequence[CertificateRequest]) -> tuple[str, ...]:
        """Return the nodes of this run, and those of a run that did not end.

        Where nodes are named, others are left to a later run: they may be dead.
        """
        begun = self._begun()
        wanted = {request.node for request in chosen}
        wanted |= {r.node for r in certificate_requests(self._inventory) if _stem(r) in begun}
        return tuple(node.name for node in self._inventory.nodes if node.name in wanted)

    def _demand_same_trust(self, seen: Survey) -> None:
        """Raise Refused when a node trusts another CA: both must be trusted for a while then."""
        if problems := tuple(trust_problems(seen)):
            raise Refused(*problems)

    def issue(self, chosen: Sequence[CertificateRequest]) -> tuple[Change, ...]:
        """Issue what is chosen, but not again what a run that did not end has issued."""
        before = self._record.old()
        begun = {} if self._request.again else self._begun()
        by_stem = {_stem(request): request for request in certificate_requests(self._inventory)}
        now = self._store.fingerprints(by_stem.values())
        wanted = [stem for stem in by_stem if stem in begun or by_stem[stem] in chosen]
        old = {stem: begun.get(stem, now[stem]) for stem in wanted}
        due = [by_stem[stem] for stem in wanted if now[stem] == old[stem]]
        if len(due) < len(wanted):
            self._report.tell(
                f"{len(wanted) - len(due)} certificates were issued by the run before, which did "
                "not end; it is gone on with. --again issues them anew."
            )
        self._record.keep(self._left() | old)
        try:
            return self._store.reissue(due)
        except ConfigError:  # nothing was issued: no later run is to go on with this one
            self._record.put_back(before)
            raise

    def _begun(self) -> dict[str, str]:
        """Return what the run that did not end has begun, and this one is to end."""
        return {stem: old for stem, old in self._record.old().items() if self._is_mine(stem)}

    def _left(self) -> dict[str, str]:
        """Return what it has begun on nodes that this run leaves to another."""
        return {stem: old for stem, old in self._record.old().items() if not self._is_mine(stem)}

    def _is_mine(self, stem: str) -> bool:
        return not self._request.nodes or Path(stem).parts[1] in self._request.nodes

    def demand_usable(self, nodes: Sequence[str]) -> None:
        """Raise ConfigError for what no service could use: a person may have put it there."""
        if problems := tuple(issued_problems(self._inventory, nodes=nodes, min_days=0)):
            raise ConfigError(*problems)


def is_working(seen: Look) -> bool:
    """Tell whether services can talk to each other: each shows a certificate that is valid yet."""
    return not seen.absent and all(
        shown.found is not None and shown.found.time_left() > timedelta(0) for shown in seen.shown
    )


def node_groups(nodes: tuple[str, ...], *, works: bool) -> tuple[tuple[str, ...], ...]:
    """Return which nodes come together, in their order."""
    return (nodes[:1], nodes[1:]) if works and len(nodes) > 1 else (nodes,)


def _stem(request: CertificateRequest) -> str:
    return f"nodes/{request.node}/{request.name}"
