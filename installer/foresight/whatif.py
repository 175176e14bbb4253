"""What follows when some nodes of a cluster are lost at one moment, and how long it lasts."""

import itertools
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from difflib import get_close_matches

from installer.errors import ConfigError, Problem
from installer.foresight.forecast import Loss
from installer.foresight.outlook import Outlook
from installer.foresight.survival import Fate, Leaders, Outcome, Part, fates
from installer.inventory import Inventory

ZONE = "zone:"
# what clients would notice: what decides over survival
PURPOSES = (Part.REST, Part.EXECUTIONS)
_NEEDED = {
    Part.REST: (Part.ENTRY, Part.MANAGER, Part.DATABASE),
    Part.EXECUTIONS: (Part.MANAGER, Part.DATABASE, Part.QUEUE),
}
_HOST_LOSS = {
    Part.QUEUE: Loss.BROKER_HOST,
    Part.MANAGER: Loss.MANAGER_HOST,
    Part.ENTRY: Loss.BALANCER_HOST,
}


@dataclass(frozen=True, slots=True)
class Pause:
    """How long a part stands still: at least, at most; None: until it is repaired."""

    shortest_s: float
    longest_s: float | None

    def __str__(self) -> str:
        if self.longest_s is None:
            return "until repaired"
        if not self.longest_s:
            return "none"
        return f"{self.shortest_s:.0f} to {self.longest_s:.0f} s"


_NONE, _FOR_GOOD = Pause(0, 0), Pause(0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What one loss does to each part of a cluster."""

    label: str  # "db-1, queue-2", "zone a"
    lost: tuple[str, ...]
    fates: tuple[Fate, ...]
    pauses: tuple[Pause, ...]  # of each fate

    def fate(self, part: Part) -> Fate:
        """Return what becomes of a part."""
        return next(fate for fate in self.fates if fate.part is part)

    @property
    def outcome(self) -> Outcome:
        """Return the worst of what the cluster is there for."""
        return max((self.fate(part).outcome for part in PURPOSES), key=lambda o: o.gravity)

    @property
    def exit_code(self) -> int:
        """Return 0 when requests and executions go on, 2 when neither does, otherwise 1."""
        outcomes = [self.fate(part).outcome for part in PURPOSES]
        if all(outcome.survives for outcome in outcomes):
            return 0
        return 2 if all(outcome is Outcome.DOWN for outcome in outcomes) else 1


def named_nodes(inventory: Inventory, words: Iterable[str]) -> tuple[str, ...]:
    """Return the nodes that words such as `db-1,queue-2` and `zone:a` name, in the file's order.

    Raises ConfigError with every word that names nothing.
    """
    wanted = [word.strip() for text in words for word in text.split(",") if word.strip()]
    zones = {node.zone for node in inventory.nodes if node.zone}
    known = {node.name for node in inventory.nodes} | {f"{ZONE}{zone}" for zone in zones}
    if problems := [_unknown(word, known) for word in wanted if word not in known]:
        raise ConfigError(*problems)
    return tuple(
        node.name
        for node in inventory.nodes
        if node.name in wanted or (node.zone and f"{ZONE}{node.zone}" in wanted)
    )


def consequence(
    outlook: Outlook, lost: Iterable[str], *, label: str = "", leaders: Leaders | None = None
) -> Consequence:
    """Return what follows when these nodes are lost at one moment."""
    names = tuple(lost)
    leaders = leaders or Leaders()
    found = fates(outlook.layout, {*names}, leaders)
    pauses = {
        fate.part: _pause(outlook, fate, {*names}, leaders)
        for fate in found
        if fate.part not in PURPOSES
    }
    for fate in found:
        if fate.part in PURPOSES:
            pauses[fate.part] = _longest(fate, [pauses[part] for part in _NEEDED[fate.part]])
    return Consequence(
        label=label or ", ".join(names),
        lost=names,
        fates=found,
        pauses=tuple(pauses[fate.part] for fate in found),
    )


def every_loss(outlook: Outlook) -> tuple[Consequence, ...]:
    """Return what follows from losing each node, each pair and each zone, the worst first.

    A pair that is no worse than one of its nodes tells nothing new and is left out.
    """
    names = [node.name for node in outlook.inventory.nodes]
    singles = {name: consequence(outlook, [name]) for name in names}
    pairs = [
        pair
        for first, second in itertools.combinations(names, 2)
        if _gravity(pair := consequence(outlook, [first, second]))
        > max(_gravity(singles[first]), _gravity(singles[second]))
    ]
    found = [*_zones(outlook), *singles.values(), *pairs]
    return tuple(sorted(found, key=_gravity, reverse=True))


def is_zone(found: Consequence) -> bool:
    """Tell whether this is the loss of a whole zone."""
    return found.label.startswith("zone ")


def _zones(outlook: Outlook) -> Iterator[Consequence]:
    zones = dict.fromkeys(node.zone for node in outlook.inventory.nodes if node.zone)
    if len(zones) > 1:
        for zone in zones:
            lost = named_nodes(outlook.inventory, [f"{ZONE}{zone}"])
            if len(lost) > 1:  # otherwise it is that node
                yield consequence(outlook, lost, label=f"zone {zone}")


def _gravity(found: Consequence) -> tuple[int, int]:
    return found.exit_code, found.outcome.gravity


def _pause(outlook: Outlook, fate: Fate, lost: Set[str], leaders: Leaders) -> Pause:
    if fate.outcome is Outcome.WHOLE:
        return _NONE
    if not fate.outcome.survives:
        return _FOR_GOOD
    if fate.part is Part.DATABASE:
        return _database_pause(outlook, lost, leaders)
    forecast = outlook.forecast(_HOST_LOSS[fate.part])
    if forecast is None or forecast.until_repaired:
        return _NONE  # clients turn to another manager by themselves
    return Pause(0, forecast.longest_s)


def _database_pause(outlook: Outlook, lost: Set[str], leaders: Leaders) -> Pause:
    """Return the pause for every role that the lost databases may have."""
    members = outlook.layout.databases
    gone = {*members} & lost
    possible: set[Loss] = set()
    if leaders.primary is None or leaders.primary in gone:
        possible |= {Loss.PRIMARY_HOST, Loss.PRIMARY_AND_ETCD_LEADER}
    if leaders.primary not in gone and leaders.synchronous in {None, *gone}:
        possible.add(Loss.SYNCHRONOUS_REPLICA)
    certain = leaders.primary in gone or leaders.synchronous in gone
    found = [forecast for loss in possible if (forecast := outlook.forecast(loss))]
    if not found:
        return _NONE
    shortest_s = min(forecast.shortest_s for forecast in found) if certain else 0
    return Pause(shortest_s, max(forecast.longest_s for forecast in found))


def _longest(fate: Fate, needed: list[Pause]) -> Pause:
    if not fate.outcome.survives:
        return _FOR_GOOD
    times = [(pause.longest_s or 0, pause.shortest_s) for pause in needed]
    longest_s, _ = max(times)
    return Pause(max(shortest for _, shortest in times), longest_s)


def _unknown(word: str, known: Set[str]) -> Problem:
    near = get_close_matches(word, sorted(known), n=1)
    remedy = f"did you mean `{near[0]}`?" if near else f"one of {', '.join(sorted(known))}"
    return Problem(where="--lose", what=f"there is no node or zone `{word}`", remedy=remedy)
