"""Which nodes are leaving a cluster: kept on the controller until a run has finished it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.actions.inventory_file import replace_file
from installer.errors import Problem, Refused
from installer.inventory import Inventory, Node, Role, Ssh

_FILE = "departure.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """What takes a leaving node's place in the inventory."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a new machine is wanted, as far as it was told; else where the old one was."""

    name: str | None = None
    address: str | None = None

    def after(self, node: Node) -> Successor:
        """Return what takes the place of a node."""
        return Successor(name=self.name or node.name, address=self.address or node.address)

    def is_of(self, successor: Successor) -> bool:
        """Tell whether nothing that was told contradicts a successor."""
        told = (self.name or successor.name, self.address or successor.address)
        return told == (successor.name, successor.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Nodes as they were in the inventory, and whether the others have forgotten them."""

    verb: str  # remove-node or replace-node
    nodes: tuple[Node, ...]
    successors: tuple[Successor, ...] = ()  # one for each node, or none where they leave for good
    has_left: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the nodes that leave."""
        return tuple(node.name for node in self.nodes)

    def cluster_before(self, inventory: Inventory) -> Inventory:
        """Return the inventory with the leaving nodes as they were, edited already or not."""
        others = {*self.names, *(new.name for new in self.successors)}
        staying = [node for node in inventory.nodes if node.name not in others]
        return dataclasses.replace(inventory, nodes=(*staying, *self.nodes))


def unfinished(folder: Path) -> Departure | None:
    """Return the departure that a run before this one began and did not finish."""
    path = folder / _FILE
    if not path.exists():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    return Departure(
        verb=document["verb"],
        nodes=tuple(map(_node, document["nodes"])),
        successors=tuple(Successor(**new) for new in document["successors"]),
        has_left=document["has_left"],
    )


def remember(folder: Path, departure: Departure) -> None:
    """Write down what is under way, before anything of it is done."""
    document = dataclasses.asdict(departure)
    replace_file(folder / _FILE, json.dumps(document, indent=1, default=str) + "\n")


def forget(folder: Path) -> None:
    """Note that all of it is done."""
    (folder / _FILE).unlink(missing_ok=True)


def demand_same(begun: Departure | None, verb: str, names: Sequence[str]) -> None:
    """Raise Refused when another change of members waits to be gone on with."""
    if begun is None or (begun.verb == verb and set(begun.names) == set(names)):
        return
    raise Refused(change_unfinished(begun))


def change_unfinished(begun: Departure) -> Problem:
    """Return what tells that a change of members waits to be gone on with."""
    told = f"cfy_manager cluster {begun.verb} {' '.join(begun.names)}"
    return Problem(
        where=", ".join(begun.names),
        what=f"`{told}` began and has not finished",
        remedy=f"run it again first: {told} -i INVENTORY",
        code="member-change-unfinished",
    )


def demand_same_places(begun: Departure, places: Mapping[str, Place]) -> None:
    """Raise Refused when a replacement began with another machine than is wanted now.

    `places` are those told now, by the name of the node that leaves.
    """
    problems = [
        Problem(
            where=name,
            what=f"its replacement by {new.name} at {new.address} began and has not finished",
            remedy="run it again without --name and --address; where that machine never comes, "
            f"give {new.name} the address of another one in the inventory first",
            code="member-change-unfinished",
        )
        for name, new in zip(begun.names, begun.successors, strict=False)
        if not places.get(name, Place()).is_of(new)
    ]
    if problems:
        raise Refused(*problems)


def _node(document: dict[str, Any]) -> Node:
    ssh = document["ssh"]
    files = {key: Path(ssh[key]) for key in ("private_key", "known_hosts") if ssh[key]}
    return Node(
        **{
            **document,
            "roles": tuple(map(Role, document["roles"])),
            "ssh": Ssh(**{**ssh, **files}),
        }
    )
