"""Turn the file of cfy_cluster_manager (three nodes, nine nodes, external database) into ours."""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from installer.cluster_secrets import SECRET_KINDS
from installer.config.inventory_rules import DERIVED_KEYS
from installer.config.merge import merged, nested, without
from installer.config.model import Document
from installer.config.source import KeyPath, value_at
from installer.errors import ConfigError, Problem
from installer.legacy.config_file import Converted, convert_config
from installer.legacy.remarks import Kind, Remark, table_remarks

_COMPACT = 3  # cfy_cluster_manager takes three machines for nodes with every service
_ROLES = {"postgresql": "database", "rabbitmq": "queue", "manager": "manager"}
# where the parts of the old file stand in config.yaml
_PLACES: Mapping[KeyPath, KeyPath] = {
    ("credentials", "manager"): ("manager", "security"),
    ("credentials", "postgresql"): ("postgresql_server",),
    ("credentials", "rabbitmq"): ("rabbitmq",),
    ("external_db_configuration",): ("postgresql_client",),
    ("cloudify_license_path",): ("manager", "cloudify_license_path"),
}
_KNOWN = {
    *("ssh_user", "ssh_key_path", "cloudify_license_path", "load_balancer_ip", "existing_vms"),
    *("external_db_configuration", "credentials", "ssl_enabled"),
}
_VM_KEYS = {"private_ip", "public_ip", "hostname", "extra_config"}


def is_cluster_file(document: Document) -> bool:
    """Return whether a file describes a cluster, not a node."""
    return "existing_vms" in document


def convert_cluster(old: Document, name: str) -> Converted:
    """Return the inventory of an old cluster file, its secrets by their names apart.

    Raises ConfigError when a machine's name does not tell what it does.
    """
    told = list(table_remarks("cluster", old))
    told = [found for found in told if value_at(old, found.path) not in ("", None, {})]
    told += _unknown(old, {found.path for found in told})
    settings = _settings(without(old, {found.path for found in told}))
    derived = list(_derived(settings))
    told += derived
    config = convert_config(without(settings, {found.path for found in derived}))
    secrets, settings = _named_secrets(config)
    inventory = {
        "cluster": {"name": name},
        "ssh": _ssh(old),
        "nodes": [_node(old, key, vm) for key, vm in old["existing_vms"].items()],
        **({"load_balancer": {"address": ip}} if (ip := old.get("load_balancer_ip")) else {}),
        **({"settings": settings} if settings else {}),
    }
    return Converted(
        document={key: value for key, value in inventory.items() if value},
        secrets=secrets,
        remarks=(*told, *map(_in_old_place, config.remarks)),
    )


def _unknown(old: Document, told: set[KeyPath]) -> Iterator[Remark]:
    paths: list[KeyPath] = [(key,) for key in old if key not in _KNOWN]
    for name, vm in old["existing_vms"].items():
        paths += [("existing_vms", name, key) for key in vm if key not in _VM_KEYS]
    for path in paths:
        if path not in told and value_at(old, path) not in ("", None, {}):
            yield Remark(
                path=path,
                kind=Kind.DEAD,
                why="this key is not known",
                instead="docs/reference/inventory.md lists all keys",
            )


def _settings(old: Document) -> Document:
    """Return the old file's parts, and what it says of single machines, as a config.yaml."""
    own = [_section(vm, "extra_config") for vm in old["existing_vms"].values()]
    parts = [without(section, {("networks",)}) for section in own]
    parts += [
        nested(place, value) for path, place in _PLACES.items() if (value := value_at(old, path))
    ]
    empty: Document = {}
    return reduce(merged, parts, empty)


def _derived(settings: Document) -> Iterator[Remark]:
    """Yield a remark for each setting of single machines that follows from the nodes."""
    for path, instead in DERIVED_KEYS:
        if value_at(settings, path):
            why = "it follows from the nodes of the inventory"
            yield Remark(path=path, kind=Kind.MOVED, why=why, instead=instead)


def _in_old_place(found: Remark) -> Remark:
    """Return a remark on a config.yaml as one on the cluster file it came from."""
    for path, place in _PLACES.items():
        if found.path[: len(place)] == place:
            below = (*path, *found.path[len(place) :])
            return Remark(
                path=below,
                kind=found.kind,
                why=found.why,
                instead=found.instead,
                kept=found.kept,
            )
    return found


def _named_secrets(config: Converted) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the secrets by their names in a cluster's file, and the settings that are left."""
    secrets = {
        name: value
        for name, kind in SECRET_KINDS.items()
        if kind.config_path and (value := value_at(config.secrets, kind.config_path))
    }
    return secrets, config.document


def _section(above: Document, key: str) -> Document:
    """Return a mapping of the old file; empty where something else stands."""
    value = above.get(key)
    return value if isinstance(value, Mapping) else {}


def _ssh(old: Document) -> dict[str, Any]:
    keys = {"user": old.get("ssh_user"), "private_key": old.get("ssh_key_path")}
    return {key: value for key, value in keys.items() if value}


def _node(old: Document, key: str, vm: Document) -> dict[str, Any]:
    public = vm.get("public_ip")
    own = _section(_section(vm, "extra_config"), "networks")
    networks = {name: ip for name, ip in own.items() if name not in ("default", "external")}
    return {
        "name": vm.get("hostname") or key,
        "address": vm.get("private_ip") or "",
        **({"public_address": public} if public and public != vm.get("private_ip") else {}),
        "roles": _roles(old, key),
        **({"networks": networks} if networks else {}),
    }


def _roles(old: Document, key: str) -> list[str]:
    if len(old["existing_vms"]) == _COMPACT:
        is_external = bool(_section(old, "external_db_configuration").get("host"))
        return ["queue", "manager"] if is_external else ["database", "queue", "manager"]
    role = _ROLES.get(key.rpartition("-")[0])
    if role is None:
        what = "the name does not tell what the machine does"
        remedy = f"name it after its service: {', '.join(f'{name}-1' for name in _ROLES)}"
        raise ConfigError(Problem(where=f"existing_vms.{key}", what=what, remedy=remedy))
    return [role]
