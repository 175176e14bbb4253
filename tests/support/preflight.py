"""Nodes on which nothing is wrong, to break one thing of."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from installer.engine.observation import NodeFacts
from installer.errors import Problem
from installer.inventory import Inventory, LoadBalancer, Node, Role, Ssh
from installer.preflight.check import Subject
from installer.preflight.checks import CHECKS
from installer.preflight.examination import Examination, examine
from installer.preflight.facts import (
    Facts,
    FlushTimes,
    Folder,
    Interface,
    System,
    TimeService,
)
from installer.preflight.needs import COMMON_FOLDERS, GIB, MARKS, ROLE_FOLDERS
from installer.preflight.wanted import Limits, Source, Wanted, wanted_nodes

VALIDATIONS = {
    "minimum_required_total_physical_memory_in_mb": 1838,
    "minimum_required_available_disk_space_in_gb": 1,
    "supported_distros": ["debian"],
    "supported_distro_versions": ["12", "13"],
}
CONFIG = {
    "validations": VALIDATIONS,
    "postgresql_server": {
        "major_version": None,
        "cluster": {"etcd": {"cluster_token": "token"}},
    },
}
BUNDLE = Source(release="trixie", architecture="amd64", has_packages=True, bytes_by_node=GIB // 4)
LIMITS = Limits(memory_bytes=1838 << 20, disk_bytes=GIB)
ALL = tuple(Role)


def inventory_of(roles: dict[str, tuple[Role, ...]], virtual_ip: str | None = None) -> Inventory:
    """Return a cluster of these nodes, at 10.0.0.1 and so on."""
    nodes = tuple(
        Node(
            name=name,
            address=f"10.0.0.{number}",
            public_address=f"10.0.0.{number}",
            networks={},
            roles=own,
            zone="",
            ssh=Ssh(),
        )
        for number, (name, own) in enumerate(roles.items(), start=1)
    )
    balancer = LoadBalancer(address=None, virtual_ip=virtual_ip, interface=None)
    return Inventory(
        name="c",
        path=Path("inventory.yaml"),
        ssh=Ssh(),
        nodes=nodes,
        load_balancer=balancer,
        settings={},
        secrets_path=Path("secrets.yaml"),
        certificates_path=Path("certs"),
        bundle_path=None,
    )


def facts_of(wanted: Wanted) -> Facts:
    """Return a bare host on which this node finds all that it wants."""
    folder = Folder(free_bytes=50 * GIB, total_bytes=60 * GIB, free_inodes=1_000_000)
    paths = {*COMMON_FOLDERS, *(path for role in wanted.roles for path in ROLE_FOLDERS[role])}
    folders = dict.fromkeys(paths, folder)
    return Facts(
        node=NodeFacts(hostname=wanted.name, cpus=4, memory_bytes=8 * GIB),
        system=System(
            machine_id=f"machine-{wanted.name}",
            host_keys={"ssh-ed25519": f"key-{wanted.name}"},
            memory_available_bytes=6 * GIB,
            shared_memory_bytes=4 * GIB,
            open_files_limit=524288,
            inotify_watches=192536,
            inotify_instances=768,
        ),
        time=TimeService(services=("chronyd",), is_synchronised=True),
        folders={**folders, "/tmp": replace(folder, mode=0o1777)},
        interfaces={
            "lo": Interface(mtu=65536, addresses=("127.0.0.1", "::1")),
            "eth0": Interface(addresses=(wanted.address,)),
        },
        names={"localhost": ("127.0.0.1", "::1"), wanted.name: (wanted.address,)},
        flush={"/var/lib": FlushTimes(writes=200, p50_s=0.001, p99_s=0.002, longest_s=0.004)},
    )


def healthy(inventory: Inventory | None = None) -> dict[str, Subject]:
    """Return a cluster without any finding: by default three nodes with all roles each."""
    inventory = inventory or inventory_of({f"node-{n}": ALL for n in (1, 2, 3)}, "10.0.0.100")
    configs: dict[str, Any] = {node.name: CONFIG for node in inventory.nodes}
    wanted = wanted_nodes(inventory, configs, None, {})
    return {
        name: Subject(node, facts_of(node))
        for name, node in ((n, replace(w, bundle=BUNDLE)) for n, w in wanted.items())
    }


def installed(subject: Subject) -> Subject:
    """Return the node once it runs our cluster."""
    marks = frozenset(MARKS[role] for role in subject.wanted.roles)
    return Subject(subject.wanted, replace(subject.facts, marks=marks, flush={}))


def examined(cluster: dict[str, Subject], waived: Iterable[str] = ()) -> Examination:
    """Ask every check."""
    return examine(CHECKS, cluster, set(waived))


def problems(cluster: dict[str, Subject]) -> list[Problem]:
    """Return all that every check finds."""
    return [problem for result in examined(cluster).results for problem in result.problems]
