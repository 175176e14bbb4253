"""What each role adds to a node's config.yaml: only what the node itself uses."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from installer.cluster_secrets import FURTHER_KEYS, SECRET_KINDS, Secrets
from installer.config.merge import merged, nested
from installer.config.source import value_at
from installer.expand.names import (
    BUNDLE_FOLDER,
    CA_PATH,
    application_database,
    application_user,
    certificate_paths,
)
from installer.inventory import Inventory, Node, Role
from installer.secrets import scram_verifier

Sections = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The inventory with the values of its secrets."""

    inventory: Inventory
    secrets: Secrets

    def secret(self, name: str) -> str:
        """Return the value of a secret, for the config.yaml of a node that uses it."""
        return self.secrets[name].reveal()

    def nodes(self, role: Role) -> tuple[Node, ...]:
        """Return the nodes of a role."""
        return self.inventory.with_role(role)


def common_sections(cluster: Cluster, node: Node) -> Sections:
    """Return what each node has, whatever its roles."""
    inventory = cluster.inventory
    bundle = {"bundle": {"path": BUNDLE_FOLDER}} if inventory.bundle_path else {}
    waive = {"waive": list(inventory.waive)} if inventory.waive else {}
    return {
        "manager": {
            "private_ip": node.address,
            "public_ip": node.public_address,
            "hostname": node.name,
        },
        "services_to_install": [f"{role}_service" for role in node.roles],
        "networks": {"default": node.address, "external": node.public_address, **node.networks},
        "status_reporter": _reporter(cluster, node),
        "hardening": inventory.hardening,
        **bundle,
        **waive,
    }


def database_sections(cluster: Cluster, node: Node) -> Sections:
    """Return what a database node has: the verifier of the managers' password, not the password."""
    password = cluster.secrets["cloudify_password"]
    salt = cluster.secret("cloudify_verifier_salt").encode()
    application = {
        "database": application_database(cluster.inventory),
        "username": application_user(cluster.inventory),
        "password_verifier": scram_verifier(password, salt),
    }
    return {
        "postgresql_server": {
            "postgres_password": cluster.secret("postgres_password"),
            **certificate_paths("", "node"),
            "ca_path": CA_PATH,
            "ssl_client_verification": True,
            "enable_remote_connections": True,
            "allowed_clients": _database_clients(cluster),
            "application": application,
            "cluster": _database_cluster(cluster),
        },
        **_backup_secrets(cluster),
    }


def queue_sections(cluster: Cluster, node: Node) -> Sections:
    """Return what a broker has."""
    return {
        "rabbitmq": {
            "password": cluster.secret("rabbitmq_password"),
            "erlang_cookie": cluster.secret("erlang_cookie"),
            "cluster_members": _broker_members(cluster),
            "nodename": node.name,
            "use_long_name": any("." in broker.name for broker in cluster.nodes(Role.QUEUE)),
            **certificate_paths("", "node"),
            "ca_path": CA_PATH,
        }
    }


def manager_sections(cluster: Cluster, node: Node) -> Sections:
    """Return what a manager has: its own user's password of the database, not the superuser's."""
    managers = {
        manager.name: {"address": manager.address, "public_address": manager.public_address}
        for manager in cluster.nodes(Role.MANAGER)
    }
    security = ("hash_salt", "secret_key", "encoding_alphabet", "encryption_key")
    own = {
        "manager": {
            "security": {"admin_password": cluster.secret("admin_password")},
            "cluster_members": managers,
        },
        "ssl_inputs": {
            **certificate_paths("internal_", "node"),
            **certificate_paths("external_", "node"),
            "ca_cert_path": CA_PATH,
        },
        "flask_security": {
            **{key: cluster.secret(key) for key in security},
            **_further_keys(cluster),
        },
        "nginx": {"trusted_proxies": [lb.address for lb in cluster.nodes(Role.LOADBALANCER)]},
    }
    return merged(merged(own, _database_client(cluster)), _broker_client(cluster))


def load_balancer_sections(cluster: Cluster, node: Node) -> Sections:
    """Return what a load balancer has."""
    balancer = cluster.inventory.load_balancer
    peers = [peer for peer in cluster.nodes(Role.LOADBALANCER) if peer != node]
    shared: Sections = {
        "virtual_ip": balancer.virtual_ip,
        "interface": balancer.interface,
        "vrrp_password": cluster.secret("vrrp_password"),
        "peers": {peer.name: {"address": peer.address} for peer in peers},
    }
    managers = cluster.nodes(Role.MANAGER)
    return {
        "loadbalancer": {
            "managers": {manager.name: {"address": manager.address} for manager in managers},
            **certificate_paths("", "node"),
            "ca_path": CA_PATH,
            **(shared if balancer.virtual_ip else {}),
        }
    }


ROLE_SECTIONS: Mapping[Role, Callable[[Cluster, Node], Sections]] = {
    Role.DATABASE: database_sections,
    Role.QUEUE: queue_sections,
    Role.MANAGER: manager_sections,
    Role.LOADBALANCER: load_balancer_sections,
}


def _backup_secrets(cluster: Cluster) -> Sections:
    """Return the secrets of backups that are there; others are their owner's, and never made."""
    names = ("backup_encryption_password", "backup_s3_secret_key")
    paths = ((SECRET_KINDS[name].config_path or (), name) for name in names)
    found = (nested(path, cluster.secret(name)) for path, name in paths if name in cluster.secrets)
    return reduce(merged, found, {})


def _further_keys(cluster: Cluster) -> Sections:
    """Return the keys that managers accept beside their own, while the key changes."""
    held = [cluster.secret(name) for name in FURTHER_KEYS if name in cluster.secrets]
    return {"old_encryption_keys": held} if held else {}


def _reporter(cluster: Cluster, node: Node) -> Sections:
    kinds = {Role.MANAGER: "manager", Role.DATABASE: "db", Role.QUEUE: "broker"}
    own = [kind for role, kind in kinds.items() if role in node.roles]
    if not own:
        return {}
    held = kinds.values() if Role.MANAGER in node.roles else own  # a manager knows all tokens
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, f"{node.name}.{cluster.inventory.name}")
    return {
        "tokens": {kind: cluster.secret(f"{kind}_status_reporter") for kind in held},
        "token": cluster.secret(f"{own[0]}_status_reporter"),
        "managers_ip": [manager.address for manager in cluster.nodes(Role.MANAGER)],
        "ca_path": CA_PATH,
        "node_id": str(identity),
    }


def _database_clients(cluster: Cluster) -> list[str]:
    clients = (*cluster.nodes(Role.DATABASE), *cluster.nodes(Role.MANAGER))
    own = [address for node in clients for address in (node.address, *node.networks.values())]
    given = value_at(cluster.inventory.settings, ("postgresql_server", "allowed_clients"))
    return list(dict.fromkeys([*own, *(given if isinstance(given, list) else [])]))


def _database_cluster(cluster: Cluster) -> Sections:
    return {
        "nodes": _database_nodes(cluster),
        "etcd": {
            "cluster_token": cluster.secret("etcd_cluster_token"),
            "root_password": cluster.secret("etcd_root_password"),
            "patroni_password": cluster.secret("etcd_patroni_password"),
            **certificate_paths("patroni_", "client-patroni"),
        },
        "patroni": {"rest_password": cluster.secret("patroni_rest_password")},
        "postgres": {
            "replicator_password": cluster.secret("replicator_password"),
            "rewind_password": cluster.secret("rewind_password"),
            **certificate_paths("replicator_", "client-replicator"),
            **certificate_paths("superuser_", "client-postgres"),
        },
    }


def _database_nodes(cluster: Cluster) -> Sections:
    return {node.name: {"ip": node.address} for node in cluster.nodes(Role.DATABASE)}


def _broker_members(cluster: Cluster) -> Sections:
    return {
        node.name: {"networks": {"default": node.address, **node.networks}}
        for node in cluster.nodes(Role.QUEUE)
    }


def _database_client(cluster: Cluster) -> Sections:
    names = [name for name in ("cloudify_password", "server_password") if name in cluster.secrets]
    client: Sections = {name: cluster.secret(name) for name in names}
    databases = cluster.nodes(Role.DATABASE)
    if not databases:  # the settings describe an external one
        return {"postgresql_client": client}
    user = application_user(cluster.inventory)
    return {
        "postgresql_client": {
            **client,
            "host": [node.address for node in databases],
            "ca_path": CA_PATH,
            "ssl_client_verification": True,
        },
        "ssl_inputs": certificate_paths("postgresql_client_", f"client-{user}"),
        "postgresql_server": {"cluster": {"nodes": _database_nodes(cluster)}},
    }


def _broker_client(cluster: Cluster) -> Sections:
    password = cluster.secret("rabbitmq_password")
    if not cluster.nodes(Role.QUEUE):  # the settings describe external ones
        return {"rabbitmq": {"password": password}}
    members = _broker_members(cluster)
    return {"rabbitmq": {"password": password, "cluster_members": members, "ca_path": CA_PATH}}
