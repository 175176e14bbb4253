"""The cluster file: which machines there are, what each does, and how they are reached."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from installer.config.check import document_findings, in_line_order, only_warnings
from installer.config.files import named_files
from installer.config.inventory_rules import INVENTORY_RULES, complete_inventory, nodes_with
from installer.config.load import load_documents
from installer.config.model import Document
from installer.config.schema import inventory_with_settings_schema
from installer.config.source import Finding, KeyPath, Loaded, value_at
from installer.errors import Problem


class Role(StrEnum):
    """What a node does, in the order of installation."""

    DATABASE = "database"
    QUEUE = "queue"
    MANAGER = "manager"
    LOADBALANCER = "loadbalancer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh:
    """How the controller logs in to a node."""

    user: str = "root"
    port: int = 22
    private_key: Path | None = None  # None: the SSH agent and the usual keys
    known_hosts: Path | None = None  # None: ~/.ssh/known_hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine."""

    name: str
    address: str
    public_address: str
    networks: Mapping[str, str]
    roles: tuple[Role, ...]
    zone: str
    ssh: Ssh


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """The address of the cluster towards clients; None where the cluster has none."""

    address: str | None
    virtual_ip: str | None
    interface: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """A whole cluster, valid; paths are absolute."""

    name: str
    path: Path
    ssh: Ssh
    nodes: tuple[Node, ...]
    load_balancer: LoadBalancer
    settings: Document
    secrets_path: Path
    certificates_path: Path
    bundle_path: Path | None
    hardening: str = "default"  # or strict
    waive: tuple[str, ...] = ()  # codes of warnings and checks that the operator accepts
    warnings: tuple[Problem, ...] = ()

    def with_role(self, role: Role) -> tuple[Node, ...]:
        """Return the nodes that have a role, in the order of the file."""
        return tuple(node for node in self.nodes if role in node.roles)

    def without(self, names: Collection[str]) -> "Inventory":
        """Return it with fewer nodes; whether those that stay make a valid one is not asked."""
        return replace(self, nodes=tuple(node for node in self.nodes if node.name not in names))

    def node(self, name: str) -> Node:
        """Return the node of this name."""
        return next(node for node in self.nodes if node.name == name)


def load_inventory(path: Path) -> Inventory:
    """Read a cluster file.

    Raises ConfigError with every problem of the file.
    """
    loaded = load_documents([path])
    warnings = only_warnings(inventory_problems(loaded, path))
    inventory = _inventory(complete_inventory(loaded.document), path.absolute())
    return replace(inventory, warnings=warnings)


def inventory_problems(loaded: Loaded, path: Path) -> Iterator[Problem]:
    """Yield every problem of an inventory, in the order of its lines."""

    def file_findings(document: Document) -> Iterator[Finding]:
        yield from _file_findings(document, path.absolute().parent)

    findings = document_findings(
        loaded.document,
        inventory_with_settings_schema(),
        {**INVENTORY_RULES, file_findings: ("nodes", "ssh", "settings", "bundle")},
        complete_inventory,
    )
    yield from in_line_order(loaded, findings)


def _file_findings(document: Document, folder: Path) -> Iterator[Finding]:
    for path, text in _named_files(document):
        try:
            _resolve(folder, text).stat()
        except OSError as error:
            what = f"{text} cannot be read: {error.strerror}"
            remedy = "correct the path: a relative one starts at the inventory"
            yield Finding(path, what, remedy, "file-unreadable")


def _named_files(document: Document) -> Iterator[tuple[KeyPath, str]]:
    places: list[KeyPath] = [
        ("ssh",),
        *(("nodes", i, "ssh") for i in range(len(document["nodes"]))),
    ]
    for place in places:
        for key in ("private_key", "known_hosts"):
            if text := value_at(document, (*place, key)):
                yield (*place, key), str(text)
    for path, file in named_files(document["settings"]):
        yield ("settings", *path), str(file)


def _resolve(folder: Path, text: str) -> Path:
    return folder / Path(text).expanduser()


def _inventory(document: dict[str, Any], path: Path) -> Inventory:
    folder, name = path.parent, document["cluster"]["name"]
    bundle = document["bundle"]
    return Inventory(
        name=name,
        path=path,
        ssh=_ssh(document["ssh"], folder),
        nodes=tuple(_node(node, document["ssh"], folder) for node in document["nodes"]),
        load_balancer=_load_balancer(document),
        settings=document["settings"],
        secrets_path=_resolve(folder, document["secrets"] or f"{path.stem}.secrets.yaml"),
        certificates_path=_resolve(folder, document["certificates"] or f"certs/{name}"),
        bundle_path=_resolve(folder, bundle) if bundle else None,
        hardening=document["hardening"],
        waive=tuple(document["waive"]),
    )


def _node(node: Document, ssh: Document, folder: Path) -> Node:
    return Node(
        name=node["name"],
        address=node["address"],
        public_address=node["public_address"] or node["address"],
        networks=node["networks"],
        roles=tuple(role for role in Role if role in node["roles"]),
        zone=node["zone"],
        ssh=_ssh({**ssh, **node["ssh"]}, folder),
    )


def _ssh(values: dict[str, Any], folder: Path) -> Ssh:
    files = ("private_key", "known_hosts")
    resolved = {key: _resolve(folder, values[key]) for key in files if key in values}
    return Ssh(**{**values, **resolved})


def _load_balancer(document: Document) -> LoadBalancer:
    given = document["load_balancer"]
    balancers = nodes_with(document, "loadbalancer")
    own = balancers[0]["public_address"] or balancers[0]["address"] if balancers else None
    return LoadBalancer(
        address=given["address"] or given["virtual_ip"] or own,
        virtual_ip=given["virtual_ip"],
        interface=given["interface"],
    )


def runs_folder(inventory: Inventory) -> Path:
    """Return where the controller keeps journal, lock and logs of a cluster."""
    return inventory.secrets_path.parent / f"{inventory.name}.runs"
