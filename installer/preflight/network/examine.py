"""The trial of the network as a part of preflight: its findings stand beside those of checks."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from installer.config.formats import is_ip
from installer.config.model import NodeInputs
from installer.engine.engine import Engine
from installer.errors import Problem
from installer.inventory import Inventory
from installer.preflight.check import Cluster
from installer.preflight.checks.network import foreign_listeners
from installer.preflight.examination import Examination, Result
from installer.preflight.firewall import drops, tables_of
from installer.preflight.network.findings import CODES, network_problems
from installer.preflight.network.plan import network_plan
from installer.preflight.network.reach import is_unreached
from installer.preflight.network.trial import try_network
from installer.preflight.network.tried import Attempt, Tried


def examine_network(
    engine: Engine,
    inventory: Inventory,
    inputs: Mapping[str, NodeInputs],
    subjects: Cluster,
) -> Tried:
    """Try the connections of all nodes that were looked at; three commands on each.

    What a check of one node tells already is not told again: ports that others hold are left
    alone, and what a node's own packet filter drops is not counted.
    """
    away = [node.name for node in inventory.nodes if node.name not in subjects]
    held = {
        (name, port.port)
        for name, subject in subjects.items()
        for port, _ in foreign_listeners(subject)
    }
    tried = try_network(engine, network_plan(inventory, inputs, away), foreign=held)
    return tried.without(_dropped(tried.attempts, inventory, subjects))


def network_results(tried: Tried, waived: Collection[str]) -> Examination:
    """Return the findings as results of each node and code."""
    problems = network_problems(tried)
    return Examination(tuple(_results(tried.nodes, problems, waived)))


def _results(
    nodes: Sequence[str], problems: Sequence[Problem], waived: Collection[str]
) -> Iterator[Result]:
    for code, title in CODES.items():
        for node in nodes:
            yield Result(
                code=code,
                title=title,
                node=node,
                problems=tuple(p for p in problems if p.code == code and _first(p) == node),
                is_waived=code in waived,
            )


def _first(problem: Problem) -> str:
    """Return the node that a place begins with: "db-1 → db-2"."""
    return problem.where.partition(" ")[0].rstrip(",")


def _dropped(
    attempts: Sequence[Attempt], inventory: Inventory, subjects: Cluster
) -> Iterator[Attempt]:
    """Yield the attempts that the target's own packet filter has dropped by its rules."""
    tables = {name: tables_of(s.facts.firewall.rules) for name, s in subjects.items()}
    for attempt in attempts:
        link = attempt.link
        if link.target in tables and is_unreached(attempt):
            address = inventory.node(link.source).address
            if is_ip(address) and drops(tables[link.target], link.port, address):
                yield attempt
