"""Examine nodes before anything is changed on them: a whole cluster, or this host."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from installer.actions.cluster import Cluster, open_cluster
from installer.actions.installed import STATE
from installer.actions.machines import read_machines
from installer.bundle.model import load_bundle
from installer.config.check import load_config
from installer.config.model import Document
from installer.engine.engine import Engine
from installer.engine.observation import NodeFacts
from installer.engine.target import Target, target_of
from installer.errors import Severity
from installer.expand.check import load_cluster
from installer.expand.local import lone_inventory
from installer.inventory import runs_folder
from installer.preflight.check import Subject
from installer.preflight.checks import CHECKS
from installer.preflight.codes import CODES
from installer.preflight.collect import collect
from installer.preflight.examination import Examination, Verdict, demand_known, examine, unreachable
from installer.preflight.network import Tried, examine_network, network_results
from installer.preflight.wanted import Wanted, wanted_nodes

NetworkTrial = Callable[[Engine, dict[str, Subject]], Tried | None]


@dataclass(frozen=True, slots=True)
class Examined:
    """What checks found, and the nodes as they were found."""

    examination: Examination
    subjects: dict[str, Subject]
    network: Tried | None = None  # None where it was not tried

    def node_facts(self) -> dict[str, NodeFacts]:
        """Return what each node is, as its stages depend on it."""
        return {name: subject.facts.node for name, subject in self.subjects.items()}

    def machine_ids(self) -> dict[str, str]:
        """Return which machine each node is."""
        return {name: subject.facts.system.machine_id for name, subject in self.subjects.items()}


def preflight_cluster(path: Path, waived: Sequence[str] = ()) -> Examined:
    """Examine every node of an inventory; nothing is changed anywhere.

    A node that cannot be reached is a finding; the others are examined all the same.
    """
    demand_known(waived, CODES)
    cluster = open_cluster(load_cluster(path), save=False)
    return _connect_and_examine(
        [target_of(node) for node in cluster.inventory.nodes],
        wanted_of(cluster),
        {*waived, *cluster.inventory.waive},
        network_of(cluster),
    )


def preflight_node(
    paths: Sequence[Path], overrides: Document, waived: Sequence[str] = ()
) -> Examined:
    """Examine this host, to become what its config.yaml says; nothing is changed."""
    demand_known(waived, CODES)
    config = load_config(paths, overrides)
    wanted = lone_wanted(config)
    targets = [Target(name=name) for name in wanted]
    return _connect_and_examine(targets, wanted, {*waived, *config["waive"]})


def lone_wanted(config: Document) -> dict[str, Wanted]:
    """Return what this host must become, by its name."""
    inventory = lone_inventory(config, STATE)
    bundle = load_bundle(Path(path)) if (path := config["bundle"]["path"]) else None
    return wanted_nodes(inventory, {inventory.name: config}, bundle, {})


def _connect_and_examine(
    targets: Sequence[Target],
    wanted: dict[str, Wanted],
    waived: Collection[str],
    network: NetworkTrial | None = None,
) -> Examined:
    with Engine(targets) as engine:
        lost = engine.connect()
        reached = {name: node for name, node in wanted.items() if name not in lost}
        examined = examine_reached(engine, reached, waived, network)
    return replace(examined, examination=unreachable(lost) | examined.examination)


def network_of(cluster: Cluster) -> NetworkTrial:
    """Return what tries the connections of a cluster's nodes, as they were found."""
    return lambda engine, subjects: examine_network(
        engine, cluster.inventory, cluster.inputs, subjects
    )


def wanted_of(cluster: Cluster) -> dict[str, Wanted]:
    """Return what each node of a cluster must become."""
    return wanted_nodes(
        cluster.inventory,
        {name: inputs.config for name, inputs in cluster.inputs.items()},
        cluster.bundle,
        read_machines(runs_folder(cluster.inventory)),
    )


def examine_reached(
    engine: Engine,
    wanted: dict[str, Wanted],
    waived: Collection[str],
    network: NetworkTrial | None = None,
    *,
    clocks_of_running: bool = True,
) -> Examined:
    """Look at all these nodes at once, ask every check and try the network.

    Two commands a node, and three for the network.
    """
    subjects, silent = collect(engine, wanted, clocks_of_running=clocks_of_running)
    examination = unreachable(silent) | examine(CHECKS, subjects, waived)
    tried = network(engine, subjects) if network else None
    if tried is not None:
        examination |= network_results(tried, waived)
    return Examined(examination, subjects, tried)


def admit(
    engine: Engine,
    wanted: dict[str, Wanted],
    waived: Collection[str],
    tell: Callable[[str], None],
    network: NetworkTrial | None = None,
) -> Examined:
    """Examine nodes before a run changes them, and tell what does not forbid it.

    Network and clocks are tried as long as anything is new: services that run show the network
    themselves, and a second run stays at one command for all checks.
    Raises PreflightError with everything that forbids the run.
    """

    def try_if_new(engine: Engine, subjects: dict[str, Subject]) -> Tried | None:
        is_new = any(not subject.facts.is_installed for subject in subjects.values())
        return network(engine, subjects) if network and is_new else None

    examined = examine_reached(engine, wanted, waived, try_if_new, clocks_of_running=False)
    for problem in examined.examination.shared(Verdict.WARNING):
        tell(str(problem))
    for problem in examined.examination.shared(Verdict.WAIVED):
        if problem.severity is Severity.ERROR:
            tell(f"waived: {problem}")
    examined.examination.demand()
    return examined
