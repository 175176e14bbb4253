"""Checks of names: who is what on which host, and whether a host is the one that it was."""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator

from installer.config.formats import is_ip
from installer.preflight.check import Check, Cluster, Finding, Subject, warning

_CLONED = "the hosts are copies of one image"


def _resolution_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    wanted, names = subject.wanted, subject.facts.names
    given = [wanted.address, *wanted.networks.values(), *wanted.peers.values()]
    for name in dict.fromkeys(address for address in given if not is_ip(address)):
        if not names.get(name):
            yield Finding(
                f"the name {name} has no address here",
                f"put it into the name service, or a line `ADDRESS {name}` into /etc/hosts",
            )


def _agreement_findings(subject: Subject, cluster: Cluster) -> Iterator[Finding]:
    for name, own in subject.facts.names.items():
        if name == "localhost" or is_ip(name) or not own or name not in _used_names(subject):
            continue
        loopback = [address for address in own if _is_loopback(address)]
        told = [other.facts.names.get(name) or () for other in cluster.values()]
        usual = Counter(answer for answer in told if answer).most_common(1)[0][0]
        if loopback:
            yield Finding(
                f"the name {name} leads to {loopback[0]}: services would listen there only",
                f"remove `{loopback[0]} … {name}` from /etc/hosts",
            )
        elif own != usual:
            yield Finding(
                f"the name {name} leads to {', '.join(own)} here, elsewhere to {', '.join(usual)}",
                "make /etc/hosts and /etc/resolv.conf the same on all nodes",
            )


def _used_names(subject: Subject) -> set[str]:
    wanted = subject.wanted
    return {wanted.address, *wanted.networks.values(), *wanted.peers.values()}


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _localhost_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    found = subject.facts.names.get("localhost", ())
    if not found or not all(map(_is_loopback, found)):
        what = f"leads to {', '.join(found)}" if found else "has no address"
        yield Finding(
            f"the name localhost {what}", "put the line `127.0.0.1 localhost` into /etc/hosts"
        )


def _hostname_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if subject.facts.system.resets_hostname and subject.facts.node.hostname != subject.wanted.name:
        yield warning(
            f"cloud-init would name the host {subject.facts.node.hostname} again at its next boot",
            "put `preserve_hostname: true` into /etc/cloud/cloud.cfg.d/99-hostname.cfg",
        )


def _duplicate_findings(
    of: Callable[[Subject], str], thing: str, remedy: str
) -> Callable[[Subject, Cluster], Iterator[Finding]]:
    """Return a finder of nodes that have something in common which names one machine."""

    def find(subject: Subject, cluster: Cluster) -> Iterator[Finding]:
        own = of(subject)
        same = [name for name, other in cluster.items() if own and of(other) == own]
        if len(same) > 1:
            yield Finding(f"{', '.join(same)} have the same {thing}: {_CLONED}", remedy)

    return find


def _host_key(subject: Subject) -> str:
    keys = subject.facts.system.host_keys
    return keys.get("ssh-ed25519") or next(iter(keys.values()), "")


def _machine_id_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    if not subject.facts.system.machine_id:
        yield Finding(
            "/etc/machine-id is empty", "`systemd-machine-id-setup` on the host, then reboot it"
        )


def _replaced_findings(subject: Subject, _: Cluster) -> Iterator[Finding]:
    known, found = subject.wanted.machine_id, subject.facts.system.machine_id
    if known and found and known != found and not subject.facts.is_installed:
        yield Finding(
            f"this is another machine than the one that was {subject.wanted.name} at the last run",
            "the cluster still counts the old one as a member: remove it there first; if its disks"
            " were only set up anew, go on with --waive host-replaced",
        )


CHECKS = (
    Check("name-unresolved", "the nodes' names have addresses", _resolution_findings),
    Check("name-disputed", "the nodes' names lead to the same addresses", _agreement_findings),
    Check("localhost-elsewhere", "localhost is this host", _localhost_findings),
    Check("hostname-reset", "the host keeps its name", _hostname_findings),
    Check("machine-id-missing", "the machine has an id", _machine_id_findings),
    Check(
        "machine-id-duplicate",
        "each machine has its own id",
        _duplicate_findings(
            lambda subject: subject.facts.system.machine_id,
            "machine id",
            "on all but one: rm /etc/machine-id && systemd-machine-id-setup, then reboot",
        ),
    ),
    Check(
        "host-key-duplicate",
        "each machine has its own SSH host key",
        _duplicate_findings(
            _host_key,
            "SSH host key",
            "on all but one: rm /etc/ssh/ssh_host_* && dpkg-reconfigure openssh-server",
        ),
    ),
    Check("host-replaced", "the machine is the one of the last run", _replaced_findings),
)
