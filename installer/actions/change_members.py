"""Add nodes to a running cluster, remove or replace them: the inventory and every other member.

The inventory is what must be; nodes that leave are kept beside it until they have left. Each run
ends with the one that `cluster install` makes, so that a killed one is simply run again.
"""

import dataclasses
import functools
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from installer.actions.departure import (
    Departure,
    Place,
    demand_same,
    demand_same_places,
    forget,
    remember,
    unfinished,
)
from installer.actions.departure_rules import (
    demand_possible,
    demand_silence,
    demand_successors,
    last_ones,
)
from installer.actions.install import Installed, InstallRequest, converge, journaled
from installer.actions.inventory_file import rewrite
from installer.actions.leaving import Leaving, reach
from installer.actions.machines import forget_machines
from installer.actions.may_stop import demand_nodes
from installer.actions.on_drift import OnDrift
from installer.actions.options import RunOptions
from installer.actions.rollout import RunName, new_run, run_told
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import hold_cluster
from installer.config.edit import NotEditable
from installer.config.edit_nodes import with_node, with_node_value, without_node
from installer.engine.engine import Engine
from installer.errors import ConfigError, NodeUnreachable, PreflightError, Problem, Refused
from installer.events import Event, Listener
from installer.expand import certificate_requests
from installer.expand.check import load_cluster
from installer.inventory import Inventory, Node, runs_folder
from installer.pki.store import CertificateStore
from installer.report import Report

_JOURNAL = "members.jsonl"
_NOTHING_DONE = (ConfigError, NodeUnreachable, PreflightError, Refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """A node that is to be written into the inventory."""

    name: str
    address: str
    roles: tuple[str, ...]

    def entry(self) -> dict[str, object]:
        """Return it as it stands in the inventory."""
        return {"name": self.name, "address": self.address, "roles": list(self.roles)}


def add_nodes(
    path: Path, nodes: Sequence[NewNode], names: Sequence[str], request: RunOptions, report: Report
) -> Installed:
    """Write new nodes into the inventory unless they stand there, and bring the cluster to it.

    When a check forbids it before anything is changed, the inventory is as it was.
    """
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, "cluster add-node"), logged_to(folder, "add-node") as log:
        demand_same(unfinished(folder), "add-node", ())
        before = path.read_text(encoding="utf-8")
        after = _with_nodes(inventory, nodes)
        demand_nodes(after, names)
        try:
            return converge(after, _request(request), report, log)
        except _NOTHING_DONE:
            if after is not inventory:
                rewrite(after, before)
            raise


def _with_nodes(inventory: Inventory, nodes: Sequence[NewNode]) -> Inventory:
    known = {node.name: node for node in inventory.nodes}
    if problems := [_other(node) for node in nodes if _differs(node, known.get(node.name))]:
        raise Refused(*problems)
    new = [node for node in nodes if node.name not in known]
    if not new:
        return inventory
    return _edited(
        inventory,
        lambda text: functools.reduce(lambda t, node: with_node(t, node.entry()), new, text),
    )


def _differs(node: NewNode, known: Node | None) -> bool:
    if known is None:
        return False
    return (known.address, {*map(str, known.roles)}) != (node.address, {*node.roles})


def _other(node: NewNode) -> Problem:
    return Problem(
        where=node.name,
        what="the inventory has a node of this name with another address or other roles",
        remedy="choose another name, or change the inventory and name the node alone",
        code="node-known-otherwise",
    )


def remove_nodes(path: Path, names: Sequence[str], report: Report) -> Installed:
    """Take nodes out of the cluster and of the inventory; goes on where a killed run ended."""
    return _depart(path, _Wish(verb="remove-node", names=tuple(names)), report)


def replace_nodes(path: Path, places: Mapping[str, Place], report: Report) -> Installed:
    """Put other machines, or the same ones made anew, in the places of nodes, by their names.

    What is dead must be told together: the others all answer.
    """
    wish = _Wish(verb="replace-node", names=tuple(places), places=places)
    return _depart(path, wish, report)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    verb: str
    names: tuple[str, ...]
    places: Mapping[str, Place] = field(default_factory=dict)


def _depart(path: Path, wish: _Wish, report: Report) -> Installed:
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, f"cluster {wish.verb}"), logged_to(folder, wish.verb) as log:
        begun = unfinished(folder)
        demand_same(begun, wish.verb, wish.names)
        departure = begun or _wished(inventory, wish)
        if begun:
            demand_same_places(begun, wish.places)
            report.tell(f"`{wish.verb} {' '.join(wish.names)}` has begun before; this goes on.")
        if not departure.has_left:
            inventory = _leave(inventory, departure, report, is_new=begun is None)
            departure = dataclasses.replace(departure, has_left=True)
            remember(folder, departure)
        _forget_material(inventory, departure)
        installed = converge(inventory, _request(RunOptions()), report, log)
        forget(folder)
    return installed


def _wished(inventory: Inventory, wish: _Wish) -> Departure:
    """Return what is to happen; raises Refused when too few would be left."""
    demand_nodes(inventory, wish.names)
    leaving = tuple(inventory.node(name) for name in wish.names)
    successors = tuple(place.after(inventory.node(name)) for name, place in wish.places.items())
    departure = Departure(verb=wish.verb, nodes=leaving, successors=successors)
    if problems := [*last_ones(inventory, departure)]:
        raise Refused(*problems)
    return departure


def _leave(
    inventory: Inventory, departure: Departure, report: Report, *, is_new: bool
) -> Inventory:
    """Let the nodes leave and return the inventory without them.

    Nothing is written before every other node answers and the rules allow the first one to go.
    """
    before = departure.cluster_before(inventory)
    cluster = open_running(before)
    if is_new:
        demand_successors(departure)
        _demand_certificates(before, departure)
    folder, name = runs_folder(inventory), RunName(new_run(), _title(departure))
    with Engine([job.target for job in cluster.jobs()]) as engine:
        facts, stages = reach(cluster, departure.nodes, engine)
        demand_silence(departure, engine, {*stages})  # SSH may have gone since it began
        if is_new:
            demand_possible(before, departure)
            remember(folder, departure)
        inventory = _without(inventory, departure)
        with journaled(folder / _JOURNAL, report) as notify:
            leaving = Leaving(
                cluster=cluster,
                nodes=departure.nodes,
                engine=engine,
                facts=facts,
                stages=stages,
                tell=functools.partial(_tell, notify, name.run),
            )
            run_told(tuple(leaving.phases()), notify, name, abort=engine.close)
    return inventory


def _demand_certificates(before: Inventory, departure: Departure) -> None:
    """Raise ConfigError when a successor could get none: the CA's key may be kept elsewhere."""
    is_issued = any(wanted.node in departure.names for wanted in certificate_requests(before))
    if departure.successors and is_issued:
        CertificateStore(before.certificates_path).demand_issuer()


def _without(inventory: Inventory, departure: Departure) -> Inventory:
    """Return the inventory as it must be, written unless it is so already."""
    known = {node.name for node in inventory.nodes}
    if not known & {*departure.names}:
        return inventory
    try:
        return _edited(inventory, functools.partial(_changed, departure))
    except (ConfigError, Refused):
        forget(runs_folder(inventory))  # nothing has left yet
        raise


def _changed(departure: Departure, text: str) -> str:
    if not departure.successors:
        return functools.reduce(without_node, departure.names, text)
    for name, new in zip(departure.names, departure.successors, strict=True):
        text = with_node_value(text, name, "address", new.address)
        text = with_node_value(text, name, "name", new.name)
    return text


def _edited(inventory: Inventory, change: Callable[[str], str]) -> Inventory:
    text = inventory.path.read_text(encoding="utf-8")
    try:
        changed = change(text)
    except NotEditable as error:
        problem = Problem(
            where=str(inventory.path),
            what=f"{error} is written in a way that cannot be edited",
            remedy="write each node as an item on lines of its own, with name and address",
            code="inventory-not-editable",
        )
        raise Refused(problem) from error
    return inventory if changed == text else rewrite(inventory, changed)


def _forget_material(inventory: Inventory, departure: Departure) -> None:
    """Let a successor have keys of its own, and be another machine."""
    forget_machines(runs_folder(inventory), departure.names)
    for name in departure.names:
        shutil.rmtree(inventory.certificates_path / "nodes" / name, ignore_errors=True)


def _title(departure: Departure) -> str:
    names = ", ".join(departure.names)
    return f"Replacing {names}" if departure.successors else f"Removing {names}"


def _request(options: RunOptions) -> InstallRequest:
    return InstallRequest(options=options, on_drift=OnDrift.OVERWRITE)


def _tell(notify: Listener, run: str, **what: object) -> None:
    notify(Event(run=run, **what))  # type: ignore[arg-type] # fields of Event
