"""Turn a config.yaml of Cloudify 5 to 7 into one of ours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from installer.config.merge import keys_only, merged, nested, without, without_defaults
from installer.config.model import Document
from installer.config.rules import password_fault
from installer.config.schema import config_schema, leaves
from installer.config.shape import shape_findings
from installer.config.source import KeyPath, value_at
from installer.legacy.remarks import Kind, Remark, remark, table, table_remarks
from installer.secrets import generate_password

_EMPTY: tuple[object, ...] = ("", None, {}, [])
_SERVICES = "services_to_install"
_POLICIES: KeyPath = ("rabbitmq", "policies")
_BROKERS: KeyPath = ("rabbitmq", "cluster_members")
_DATABASES: KeyPath = ("postgresql_server", "cluster", "nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A new configuration, its secrets apart, and what was said of the old one."""

    document: dict[str, Any]
    secrets: dict[str, Any]
    remarks: tuple[Remark, ...]


def convert_config(old: Document) -> Converted:
    """Return the new form of an old config.yaml.

    A password that others know is replaced by a new one.
    """
    document = _given(old)
    remarks: list[Remark] = []
    for step in (_table, _services, _policies, _members, _words, _shape):
        document, told = step(document)
        remarks += told
    document, told = _passwords(document)
    secrets = _secrets(document)
    public = _given(without(document, set(_leaf_paths(secrets))))
    return Converted(
        document=_given(without_defaults(public, config_schema())),
        secrets=secrets,
        remarks=(*remarks, *told),
    )


def _given(document: Document) -> dict[str, Any]:
    """Return the document without what is empty: the old default file lists every key."""
    children = {
        key: _given(value) if isinstance(value, Mapping) else value
        for key, value in document.items()
    }
    return {key: value for key, value in children.items() if value not in _EMPTY}


def _table(document: Document) -> tuple[dict[str, Any], list[Remark]]:
    told = list(table_remarks("config", document))
    if value_at(document, ("postgresql_server", "allowed_clients")):
        told = [found for found in told if not found.kept]
    dropped = {found.path for found in told if not found.kept}
    return _given(without(document, dropped)), told


def _services(document: Document) -> tuple[dict[str, Any], list[Remark]]:
    """Leave out the services that there are no more."""
    listed = document.get(_SERVICES)
    if not isinstance(listed, list):
        return dict(document), []
    gone = table()["services"]
    told = [
        remark(gone[service], (_SERVICES, index))
        for index, service in enumerate(listed)
        if isinstance(service, str) and service in gone
    ]
    dropped = {found.path[-1] for found in told}
    kept = [service for index, service in enumerate(listed) if index not in dropped]
    return _given({**document, _SERVICES: kept}), told


def _policies(document: Document) -> tuple[dict[str, Any], list[Remark]]:
    """Leave out the mirroring of queues, and policies that said nothing else."""
    listed = value_at(document, _POLICIES)
    if not isinstance(listed, list) or not all(map(_is_policy, listed)):
        return dict(document), []  # the shape is told by another step
    (prefix, entry), *_ = table()["policies"].items()
    told: list[Remark] = []
    kept: list[dict[str, Any]] = []
    for index, policy in enumerate(listed):
        definition = policy.get("policy", {})
        rest = {key: value for key, value in definition.items() if not key.startswith(prefix)}
        if rest != definition:
            told.append(remark(entry, (*_POLICIES, index)))
        if rest:
            kept.append({**policy, "policy": rest})
    return _given(merged(document, nested(_POLICIES, kept))), told


def _is_policy(policy: object) -> bool:
    return isinstance(policy, Mapping) and isinstance(policy.get("policy", {}), Mapping)


def _members(document: Document) -> tuple[dict[str, Any], list[Remark]]:
    """Write members as they are written today: brokers by networks, databases by `ip`."""
    told: list[Remark] = []
    result = dict(document)
    for path, key, below in (
        (_BROKERS, "address", ("networks", "default")),
        (_DATABASES, "ip", ("ip",)),
    ):
        members = value_at(result, path)
        for name, member in members.items() if isinstance(members, Mapping) else ():
            if not isinstance(member, str | Mapping):
                continue  # the shape is told by another step
            address = member if isinstance(member, str) else member.get(key)
            if not address or (not isinstance(member, str) and below == (key,)):
                continue
            others = {} if isinstance(member, str) else without(member, {(key,)})
            fresh = merged(nested(below, address), others)
            result = merged(without(result, {(*path, name)}), nested((*path, name), fresh))
            told.append(
                Remark(
                    path=(*path, name),
                    kind=Kind.MOVED,
                    why="members are written by their networks",
                    instead=f"{'.'.join(below)}: {address}",
                    kept=True,
                )
            )
    return result, told


def _words(document: Document) -> tuple[dict[str, Any], list[Remark]]:
    """Write choices such as log levels as they are written today: INFO for info."""
    parts = (
        nested(path, value.upper())
        for path, value, field in leaves(document, config_schema())
        if isinstance(value, str) and value.upper() in field.get("enum", ())
    )
    return reduce(merged, parts, dict(document)), []


def _shape(document: Document) -> tuple[dict[str, Any], list[Remark]]:
    """Leave out what our schema does not know or does not allow, and say why."""
    findings = list(shape_findings(document, config_schema()))
    told = [
        Remark(path=found.path, kind=Kind.DEAD, why=found.what, instead=_remedy(found.remedy))
        for found in findings
    ]
    return _given(without(document, {keys_only(found.path) for found in findings})), told


def _remedy(text: str) -> str:
    return text.removeprefix("remove it: ")


def _passwords(document: Document) -> tuple[dict[str, Any], list[Remark]]:
    """Replace the passwords that others know or can guess."""
    result, told = dict(document), []
    for path, value, field in leaves(document, config_schema()):
        fault = password_fault(value) if field.get("x-password") else None
        if fault:
            length = field.get("maxLength", 32)
            result = merged(result, nested(path, generate_password(length).reveal()))
            instead = "a generated one; set it also where the other side of it is configured"
            told.append(Remark(path=path, kind=Kind.PASSWORD, why=fault, instead=instead))
    return result, told


def _secrets(document: Document) -> dict[str, Any]:
    parts = (
        nested(path, value)
        for path, value, field in leaves(document, config_schema())
        if field.get("x-secret")
    )
    empty: dict[str, Any] = {}
    return reduce(merged, parts, empty)


def _leaf_paths(document: Document, above: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _leaf_paths(value, (*above, key))
        else:
            yield (*above, key)
