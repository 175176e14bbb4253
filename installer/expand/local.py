"""Complete the config.yaml of a node that is installed by itself: secrets and certificates."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from installer.cluster_secrets import (
    Secrets,
    derived_token,
    provisional_secrets,
    save_secrets,
)
from installer.config.certificates import brings_certificates
from installer.config.complete import complete
from installer.config.files import named_files
from installer.config.merge import merged, nested, without
from installer.config.model import Document, NodeInputs
from installer.config.schema import config_schema, leaves
from installer.config.service_rules import has
from installer.config.source import KeyPath, value_at
from installer.expand.certificates import certificate_requests
from installer.expand.names import SSL_FOLDER
from installer.expand.nodes import expand
from installer.inventory import Inventory, LoadBalancer, Node, Role, Ssh
from installer.pki.store import CertificateStore
from installer.secrets import Secret
from installer.state import ManagedFile

_VERIFIER: KeyPath = ("postgresql_server", "application", "password_verifier")
_REMOTE: KeyPath = ("postgresql_server", "enable_remote_connections")
_CLIENTS: KeyPath = ("postgresql_server", "allowed_clients")
# who belongs to a cluster: a file that says it says all of it
_MEMBERS: tuple[KeyPath, ...] = (
    ("postgresql_server", "cluster", "nodes"),
    ("rabbitmq", "cluster_members"),
    ("manager", "cluster_members"),
    ("loadbalancer", "managers"),
)
_NAMES: tuple[KeyPath, ...] = (
    ("postgresql_client", "cloudify_username"),
    ("postgresql_client", "cloudify_db_name"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalNode:
    """A node's complete inputs, and the certificate files that were made for it."""

    inputs: NodeInputs
    files: tuple[ManagedFile, ...]


def local_node(config: Document, folder: Path) -> LocalNode:
    """Return this node with what its config.yaml leaves to us; the next call returns the same.

    Secrets that only this node uses, and certificates when the file names none, are made and kept
    in `folder`. config.yaml itself is never written.
    """
    given = _given(config)
    inventory = _inventory(config, given, folder)
    secrets = provisional_secrets(inventory.secrets_path)
    own = expand(inventory, secrets, {})[inventory.name].config
    own = merged(without(own, _left_out(config, own)), _shared_tokens(config))
    wanted = complete(merged(own, _with_own_manager(given)))
    save_secrets(inventory.secrets_path, _used(wanted, given, secrets))
    name = inventory.nodes[0].name
    if brings_certificates(config):
        return LocalNode(inputs=_inputs(name, wanted, {}), files=())
    files = _issued(inventory, wanted)
    contents = {file.path: file.content for file in files}
    return LocalNode(inputs=_inputs(name, wanted, contents), files=files)


def lone_inventory(config: Document, folder: Path) -> Inventory:
    """Return the cluster of the node that a completed config.yaml describes, alone."""
    return _inventory(config, _given(config), folder)


def _given(config: Document) -> dict[str, Any]:
    """Return what a completed configuration says, without the keys that it leaves empty."""
    children = {
        key: _given(value) if isinstance(value, Mapping) else value for key, value in config.items()
    }
    return {key: value for key, value in children.items() if value not in ("", None, {}, [])}


def _with_own_manager(given: Document) -> Document:
    """Let a manager on this node reach the database at the node's address, and nobody else."""
    server = given["postgresql_server"]
    if not (has(given, "database") and has(given, "manager")):
        return given
    if server["enable_remote_connections"]:
        return given
    access = {
        "enable_remote_connections": True,
        "allowed_clients": [given["manager"]["private_ip"]],
    }
    return merged(given, {"postgresql_server": access})


def _inventory(config: Document, given: Document, folder: Path) -> Inventory:
    """Return the cluster of this node alone."""
    manager = config["manager"]
    node = Node(
        name=manager["hostname"],
        address=manager["private_ip"],
        public_address=manager["public_ip"],
        networks=config["networks"],
        roles=tuple(role for role in Role if has(config, role)),
        zone="",
        ssh=Ssh(),
    )
    return Inventory(
        name=node.name,
        path=folder / "config.yaml",
        ssh=node.ssh,
        nodes=(node,),
        load_balancer=LoadBalancer(address=None, virtual_ip=None, interface=None),
        settings=_settings(given),
        secrets_path=folder / "secrets.yaml",
        certificates_path=folder / "certificates",
        bundle_path=None,
    )


def _settings(given: Document) -> Document:
    """Return the file's own secrets and names, from which others follow."""
    return reduce(
        merged,
        (
            nested(path, value)
            for path, value, field in leaves(given, config_schema())
            if field.get("x-secret") or path in _NAMES
        ),
        {},
    )


def _left_out(config: Document, own: Document) -> set[KeyPath]:
    """Return what would be ours to say in a cluster, but is not on this node."""
    keys: set[KeyPath] = {path for path in _MEMBERS if value_at(config, path)}
    if value_at(config, _REMOTE):  # without allowed_clients: any
        keys.add(_CLIENTS)
    if not has(config, "manager"):  # the managers are elsewhere, and know other secrets
        keys |= {_VERIFIER, ("status_reporter",)}
    if brings_certificates(config):
        keys |= {path for path, file in named_files(own) if str(file).startswith(SSL_FOLDER)}
    return keys


def _shared_tokens(config: Document) -> Document:
    """Return the reporters' tokens that managers of one database must have in common.

    They follow from the key that these managers share already, so that the file need not say them.
    """
    key = config["flask_security"]["secret_key"]
    if not has(config, "manager") or has(config, "database") or not key:
        return {}
    tokens = {kind: derived_token(key, kind) for kind in ("manager", "db", "broker")}
    return {"status_reporter": {"tokens": tokens, "token": tokens["manager"]}}


def _used(config: Document, given: Document, secrets: Secrets) -> dict[str, Secret]:
    """Return the secrets of ours that the configuration holds, or follows from."""
    values = {value for _, value, _ in leaves(config, config_schema()) if isinstance(value, str)}
    names = {name for name, secret in secrets.items() if secret.reveal() in values}
    if value_at(config, _VERIFIER) and not value_at(given, _VERIFIER):
        names.add("cloudify_verifier_salt")
    return {name: secret for name, secret in secrets.items() if name in names}


def _issued(inventory: Inventory, config: Document) -> tuple[ManagedFile, ...]:
    """Return the certificate files of this node, issued by a CA of its own if they lack."""
    requests = certificate_requests(inventory)
    store = CertificateStore(inventory.certificates_path)
    store.ensure(requests)
    issued = store.by_node(requests)[inventory.nodes[0].name]
    wanted = {str(path) for _, path in named_files(config)}
    return tuple(
        ManagedFile(path=path, content=content, mode=0o600, secret=path.endswith(".key"))
        for name, content in issued.items()
        if (path := f"{SSL_FOLDER}/{name}") in wanted
    )


def _inputs(name: str, config: Document, issued: Mapping[str, bytes]) -> NodeInputs:
    def read(path: str) -> bytes:
        return issued[path] if path in issued else Path(path).read_bytes()

    return NodeInputs(name=name, config=config, read=read)
