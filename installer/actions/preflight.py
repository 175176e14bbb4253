"""Examine nodes before anything is changed on them: a whole cluster, or this host."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.actions.cluster import Cluster, open_cluster, runs_folder, target_of
from installer.actions.installed import STATE
from installer.actions.machines import read_machines
from installer.bundle.model import load_bundle
from installer.config.check import load_config
from installer.config.model import Document
from installer.engine.engine import Engine
from installer.engine.observation import NodeFacts
from installer.engine.target import Target
from installer.errors import Severity
from installer.expand.check import load_cluster
from installer.expand.local import lone_inventory
from installer.preflight.check import Subject
from installer.preflight.checks import CHECKS, CODES
from installer.preflight.collect import collect
from installer.preflight.examination import Examination, Verdict, demand_known, examine, unreachable
from installer.preflight.wanted import Wanted, wanted_nodes


@dataclass(frozen=True, slots=True)
class Examined:
    """What checks found, and the nodes as they were found."""

    examination: Examination
    subjects: dict[str, Subject]

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
    targets: Sequence[Target], wanted: dict[str, Wanted], waived: Collection[str]
) -> Examined:
    with Engine(targets) as engine:
        lost = engine.connect()
        reached = {name: node for name, node in wanted.items() if name not in lost}
        examined = examine_reached(engine, reached, waived)
    return Examined(unreachable(lost) | examined.examination, examined.subjects)


def wanted_of(cluster: Cluster) -> dict[str, Wanted]:
    """Return what each node of a cluster must become."""
    return wanted_nodes(
        cluster.inventory,
        {name: inputs.config for name, inputs in cluster.inputs.items()},
        cluster.bundle,
        read_machines(runs_folder(cluster.inventory)),
    )


def examine_reached(engine: Engine, wanted: dict[str, Wanted], waived: Collection[str]) -> Examined:
    """Look at all these nodes at once and ask every check. Two commands a node."""
    subjects, silent = collect(engine, wanted)
    return Examined(unreachable(silent) | examine(CHECKS, subjects, waived), subjects)


def admit(
    engine: Engine, wanted: dict[str, Wanted], waived: Collection[str], tell: Callable[[str], None]
) -> Examined:
    """Examine nodes before a run changes them, and tell what does not forbid it.

    Raises PreflightError with everything that does.
    """
    examined = examine_reached(engine, wanted, waived)
    for problem in examined.examination.shared(Verdict.WARNING):
        tell(str(problem))
    for problem in examined.examination.shared(Verdict.WAIVED):
        if problem.severity is Severity.ERROR:
            tell(f"waived: {problem}")
    examined.examination.demand()
    return examined
