"""Checks of addresses, names, clocks and ports."""

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterator
from statistics import median

from installer.config.formats import is_ip
from installer.inventory import Role
from installer.links import Listener as Port
from installer.preflight.check import Check, Cluster, Finding, Subject, warning
from installer.preflight.facts import Interface, Listener
from installer.preflight.firewall import drops, tables_of
from installer.preflight.needs import HELPERS, MARKS, UNITS

# TiUP refuses 500 ms. Patroni and etcd measure with monotonic clocks; logs, certificates, tokens
# and the order of events of several managers go by the wall clock.
_LARGEST_OFFSET_S = 0.5
_LEAST_MTU = 1280  # IPv6's own minimum, RFC 8200 section 5


def _clock_findings(subject: Subject, cluster: Cluster) -> Iterator[Finding]:
    middle = median(other.facts.clock.offset_s for other in cluster.values())
    clock = subject.facts.clock
    offset = clock.offset_s - middle
    if abs(offset) - clock.uncertainty_s > _LARGEST_OFFSET_S:
        direction = "ahead of" if offset > 0 else "behind"
        yield Finding(
            f"the clock is {abs(offset):.1f} s {direction} the cluster's median",
            "apt-get install chrony on every node, then `chronyc makestep`",
        )


def _time_service_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if subject.facts.system.container:
        return  # the clock is that of the machine below, which keeps it
    service = subject.facts.time
    if not service.services and not service.is_synchronised:
        yield warning("nothing keeps the clock right", "apt-get install chrony")
    elif service.is_synchronised is False:
        yield warning(
            f"{', '.join(service.services)} runs, but the clock is not synchronised",
            "`chronyc sources` or `timedatectl timesync-status` says which server answers",
        )


def _address_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    own = {a for interface in subject.facts.interfaces.values() for a in interface.addresses}
    wanted = {"address": subject.wanted.address}
    wanted |= {f"networks.{name}": value for name, value in subject.wanted.networks.items()}
    for key, address in wanted.items():
        if is_ip(address) and str(ipaddress.ip_address(address)) not in own:
            yield Finding(
                f"{key} {address} is on none of its interfaces",
                "name an address of this host (`ip -brief address`): services bind to it",
            )


def _ipv6_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    wanted = [subject.wanted.address, *subject.wanted.peers.values(), subject.wanted.virtual_ip]
    given = [address for address in wanted if ":" in address]
    if given and not subject.facts.system.has_ipv6:
        yield Finding(
            f"IPv6 is off, and the cluster uses {given[0]}",
            "remove `net.ipv6.conf.all.disable_ipv6 = 1` from /etc/sysctl.d, and `ipv6.disable=1`"
            " from the kernel's command line",
        )


def _mtu_findings(subject: Subject, cluster: Cluster) -> Iterator[Finding]:
    found = _interface(subject)
    if found is None:
        return
    name, own = found
    others = [other[1].mtu for s in cluster.values() if (other := _interface(s)) is not None]
    usual = Counter(others).most_common(1)[0][0]
    if own.mtu != usual:
        yield Finding(
            f"{name} has an MTU of {own.mtu}, the other nodes' interfaces have {usual}",
            f"ip link set {name} mtu {usual}, and the same in the network's configuration",
        )
    elif own.mtu < _LEAST_MTU:
        yield warning(
            f"{name} has an MTU of {own.mtu}", f"set one of {_LEAST_MTU} or more: ip link set mtu"
        )


def _interface(subject: Subject) -> tuple[str, Interface] | None:
    """Return the interface that carries the node's address."""
    for name, interface in subject.facts.interfaces.items():
        if subject.wanted.address in interface.addresses:
            return name, interface
    return None


def _virtual_ip_findings(subject: Subject, cluster: Cluster) -> Iterator[Finding]:
    address, neighbour = subject.wanted.virtual_ip, subject.facts.neighbour
    if neighbour and not any(_holds(address, other) for other in cluster.values()):
        yield Finding(
            f"somebody with the hardware address {neighbour} answers for {address} already",
            "find that machine in the switch's tables, or choose a free virtual_ip",
        )
    if address in _addresses(subject) and not subject.facts.is_installed:
        yield Finding(
            f"the virtual IP {address} is set on this host by somebody else",
            "remove it there: keepalived sets it on the host that leads",
        )


def _holds(address: str, subject: Subject) -> bool:
    """Tell whether a load balancer of ours has the virtual IP: another one may join it."""
    return subject.facts.is_installed and address in _addresses(subject)


def _addresses(subject: Subject) -> set[str]:
    return {a for interface in subject.facts.interfaces.values() for a in interface.addresses}


def _port_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    for port, listener in foreign_listeners(subject):
        who = f"{listener.process or 'a process'} (pid {listener.pid}"
        who += f", {listener.unit})" if listener.unit else ")"
        yield Finding(f"port {port.port} of {port.service} is held by {who}", _stop(listener))


def foreign_listeners(subject: Subject) -> Iterator[tuple[Port, Listener]]:
    """Yield each port that a process holds which is not ours, and that process."""
    ours = _own_units(subject)
    for listener in subject.facts.listeners:
        if listener.unit in ours:
            continue
        for port in subject.wanted.ports:
            if port.port == listener.port and _collide(port, listener):
                yield port, listener
                break


def _firewall_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    firewall = subject.facts.firewall
    tables = tables_of(firewall.rules)
    shut = {
        port: [address for address in callers if is_ip(address) and drops(tables, port, address)]
        for port, callers in subject.wanted.callers.items()
    }
    if closed := {port: addresses for port, addresses in shut.items() if addresses}:
        ports = ", ".join(map(str, sorted(closed)))
        callers = dict.fromkeys(address for addresses in closed.values() for address in addresses)
        yield Finding(
            f"the packet filter drops what {', '.join(callers)} send to port {ports}",
            _opening(firewall.managers, next(iter(callers)), min(closed)),
        )


def _opening(managers: Collection[str], source: str, port: int) -> str:
    """Return the command that lets one connection through, as its manager wants it."""
    if "ufw" in managers:
        return f"`ufw allow proto tcp from {source} to any port {port}`, and so for each"
    if "firewalld" in managers:
        return f"`firewall-cmd --permanent --zone=trusted --add-source={source}` and `--reload`"
    family = "ip6" if ":" in source else "ip"
    return (
        f"`nft insert rule inet filter input {family} saddr {source} tcp dport {port} accept`,"
        " and so for each in /etc/nftables.conf"
    )


def _own_units(subject: Subject) -> set[str]:
    """Return the units that may hold ports: those of roles that we installed here."""
    installed = [role for role in subject.wanted.roles if MARKS[role] in subject.facts.marks]
    helpers = HELPERS if Role.QUEUE in installed else ()
    return {unit for role in installed for unit in UNITS[role]}.union(helpers)


def _collide(port: Port, listener: Listener) -> bool:
    """Tell whether both cannot have the port; who holds it everywhere holds it here."""
    return port.bind in ("", listener.address) or listener.address in ("0.0.0.0", "::")  # noqa: S104


def _stop(listener: Listener) -> str:
    unit = listener.unit
    if unit.endswith((".service", ".socket")):
        return f"`systemctl disable --now {unit}`, or give the role to another host"
    return f"stop it (`ps -fp {listener.pid}` shows it), or give the role to another host"


CHECKS = (
    Check("clock-offset", "the clocks agree", _clock_findings),
    Check("clock-unsynchronised", "something keeps the clock right", _time_service_findings),
    Check("address-not-here", "the host has its addresses", _address_findings),
    Check("ipv6-disabled", "IPv6 is on where it is used", _ipv6_findings),
    Check("mtu-mixed", "all nodes have one MTU", _mtu_findings),
    Check("virtual-ip-answers", "nobody else has the virtual IP", _virtual_ip_findings),
    Check("port-held", "the ports are free, or ours", _port_findings),
    Check("firewall-drops", "the packet filter lets the nodes through", _firewall_findings),
)
