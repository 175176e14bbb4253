"""Examine nodes before anything is changed on them: a whole cluster, or this host."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.actions.cluster import Cluster, open_cluster, runs_folder, target_of
from installer.actions.machines import read_machines
from installer.engine.engine import Engine
from installer.expand.check import load_cluster
from installer.preflight.check import Subject
from installer.preflight.checks import CHECKS, CODES
from installer.preflight.collect import collect
from installer.preflight.examination import Examination, demand_known, examine, unreachable
from installer.preflight.wanted import Wanted, wanted_nodes


@dataclass(frozen=True, slots=True)
class Examined:
    """What checks found, and the nodes as they were found."""

    examination: Examination
    subjects: dict[str, Subject]


def preflight_cluster(path: Path, waived: Sequence[str] = ()) -> Examined:
    """Examine every node of an inventory; nothing is changed anywhere."""
    demand_known(waived, CODES)
    cluster = open_cluster(load_cluster(path), save=False)
    with Engine([target_of(node) for node in cluster.inventory.nodes]) as engine:
        return examine_nodes(
            engine, wanted_of(cluster), {*waived, *getattr(cluster.inventory, "waive", ())}
        )


def wanted_of(cluster: Cluster) -> dict[str, Wanted]:
    """Return what each node of a cluster must become."""
    return wanted_nodes(
        cluster.inventory,
        {name: inputs.config for name, inputs in cluster.inputs.items()},
        cluster.bundle,
        read_machines(runs_folder(cluster.inventory)),
    )


def examine_nodes(engine: Engine, wanted: dict[str, Wanted], waived: Collection[str]) -> Examined:
    """Log in to the nodes, look at all of them, and ask every check.

    A node that cannot be reached is a finding; the others are examined all the same.
    """
    lost = engine.connect()
    reached = {name: node for name, node in wanted.items() if name not in lost}
    subjects, silent = collect(engine, reached)
    examination = unreachable(lost | silent) | examine(CHECKS, subjects, waived)
    return Examined(examination, subjects)
