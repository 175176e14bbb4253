"""A cluster as a picture needs it: groups of like nodes, and one arrow per pair of groups."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from installer.inventory import Inventory, Node, Role
from installer.links import Link, Outside, Service, links, listeners

TITLES = {
    Role.LOADBALANCER: "Load balancers",
    Role.MANAGER: "Managers",
    Role.QUEUE: "Brokers",
    Role.DATABASE: "Databases",
}
_OUTSIDE = {Outside.CLIENT: "Clients", Outside.AGENT: "Agents"}
# from what clients reach to what holds the data
_ORDER = (Role.LOADBALANCER, Role.MANAGER, Role.QUEUE, Role.DATABASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One box: a node, an external service, or somebody outside."""

    name: str
    address: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Nodes with the same roles; `among` is what they speak with each other."""

    key: str
    title: str
    subtitle: str
    roles: tuple[Role, ...]  # in the order of the tiers; none: outside
    spots: tuple[Spot, ...]
    among: tuple[str, ...] = ()
    is_external: bool = False

    @property
    def tier(self) -> int:
        """Return the column: 0 outside, 1 load balancers, 2 managers, 3 what they use."""
        if not self.roles:
            return 0
        return min(_ORDER.index(self.roles[0]) + 1, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """What one group asks of another: "PostgreSQL 5432"."""

    source: str
    target: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The whole picture, without places."""

    name: str
    groups: tuple[Group, ...]
    arrows: tuple[Arrow, ...]
    zones: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def group(self, key: str) -> Group:
        """Return the group of this key."""
        return next(group for group in self.groups if group.key == key)


def topology_of(inventory: Inventory) -> Topology:
    """Return the groups of a cluster and who speaks with whom."""
    found = links(inventory)
    nodes = _node_groups(inventory, found)
    groups = (*_outside_groups(found), *nodes, *_external_groups(found))
    return Topology(
        name=inventory.name,
        groups=groups,
        arrows=_arrows(found, _keys(groups)),
        zones=tuple(dict.fromkeys(node.zone for node in inventory.nodes if node.zone)),
        notes=("The controller reaches every node by SSH.",),
    )


def _node_groups(inventory: Inventory, found: Iterable[Link]) -> tuple[Group, ...]:
    alike: dict[tuple[Role, ...], list[Node]] = {}
    for node in inventory.nodes:
        alike.setdefault(tuple(role for role in _ORDER if role in node.roles), []).append(node)
    ordered = sorted(alike.items(), key=lambda item: [_ORDER.index(role) for role in item[0]])
    return tuple(_node_group(inventory, roles, nodes, found) for roles, nodes in ordered)


def _node_group(
    inventory: Inventory, roles: tuple[Role, ...], nodes: list[Node], found: Iterable[Link]
) -> Group:
    names = {node.name for node in nodes}
    ports = sorted(
        {
            listener.port
            for listener in listeners(inventory)
            if listener.node in names and not listener.is_loopback and listener.port
        }
    )
    shared = inventory.load_balancer.virtual_ip if Role.LOADBALANCER in roles else None
    subtitle = f"ports {' '.join(map(str, ports))}" if ports else ""
    return Group(
        key="+".join(roles),
        title=" + ".join(TITLES[role] for role in roles),
        subtitle=f"virtual IP {shared}" if shared else subtitle,
        roles=roles,
        spots=tuple(Spot(name=node.name, address=node.address, zone=node.zone) for node in nodes),
        among=_labels(
            link
            for link in found
            if link.source in names and link.target in names and link.source != link.target
        ),
    )


def _outside_groups(found: Iterable[Link]) -> tuple[Group, ...]:
    sources = {link.source for link in found}
    return tuple(
        Group(key=who, title=title, subtitle="", roles=(), spots=(Spot(name=title),))
        for who, title in reversed(_OUTSIDE.items())
        if who in sources
    )


def _external_groups(found: Iterable[Link]) -> tuple[Group, ...]:
    outer: dict[Role, dict[str, str]] = {}
    for link in found:
        if link.is_external and link.target_role is not None:
            outer.setdefault(link.target_role, {})[link.target] = link.address
    return tuple(
        Group(
            key=f"external-{role}",
            title=f"External {TITLES[role].lower()}",
            subtitle="run by somebody else",
            roles=(role,),
            spots=tuple(Spot(name=name, address=address) for name, address in spots.items()),
            is_external=True,
        )
        for role, spots in sorted(outer.items(), key=lambda item: _ORDER.index(item[0]))
    )


def _keys(groups: Iterable[Group]) -> dict[str, str]:
    """Return the group of each node, external service and outsider."""
    inside = {spot.name: group.key for group in groups for spot in group.spots if group.roles}
    return inside | {group.key: group.key for group in groups if not group.roles}


def _arrows(found: Iterable[Link], keys: dict[str, str]) -> tuple[Arrow, ...]:
    between: dict[tuple[str, str], list[Link]] = {}
    for link in found:
        ends = (keys.get(link.source), keys.get(link.target))
        if ends[0] and ends[1] and ends[0] != ends[1]:
            between.setdefault((ends[0], ends[1]), []).append(link)
    return tuple(
        Arrow(source=source, target=target, labels=_labels(some))
        for (source, target), some in between.items()
    )


def _word(link: Link) -> str:
    """Return what a link is for, where its service does not say it."""
    ends = (link.source_role, link.target_role)
    if link.service is Service.POSTGRESQL and ends == (Role.DATABASE, Role.DATABASE):
        return "replication"
    if link.service is Service.HTTPS and link.target_role is Role.MANAGER:
        if link.source_role is Role.MANAGER:
            return "files, status"
        if link.source_role in (Role.DATABASE, Role.QUEUE):
            return "status"
    return link.service


def _labels(found: Iterable[Link]) -> tuple[str, ...]:
    """Return one label for each service, with its ports."""
    ports: dict[str, list[int]] = {}
    for link in found:
        known = ports.setdefault(_word(link), [])
        if link.port and link.port not in known:
            known.append(link.port)
    return tuple(
        " ".join([service, *map(str, sorted(numbers))]) for service, numbers in ports.items()
    )
