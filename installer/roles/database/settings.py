"""Read from config.yaml what a database node needs to know."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from installer.backup.settings import BackupSettings, backup_settings
from installer.config.hardening_rules import is_strict
from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.errors import ConfigError, Problem
from installer.roles.database.backup import ARCHIVE_TIMEOUT, backup_parameters
from installer.roles.database.model import (
    RELEASES,
    Access,
    Application,
    Certificates,
    DatabaseSettings,
    EtcdTiming,
    KeyPair,
    Member,
    Passwords,
    Release,
    hba_address,
)
from installer.roles.database.tuning import Failover, cluster_parameters, node_parameters
from installer.secrets import Secret

_STRICT_PARAMETERS = {"ssl_min_protocol_version": "TLSv1.3"}
_CERTIFICATE_USERS = {  # user: section of `cluster`, prefix of its keys
    "patroni": ("etcd", "patroni"),
    "replicator": ("postgres", "replicator"),
    "postgres": ("postgres", "superuser"),
}


def database_settings(inputs: NodeInputs, facts: NodeFacts) -> DatabaseSettings:
    """Return the settings of this node's database; raises ConfigError on an unknown release."""
    server = inputs.config["postgresql_server"]
    cluster, backup = server["cluster"], backup_settings(inputs)
    me, members = _members(inputs, cluster["nodes"])
    if facts.release not in RELEASES:
        raise ConfigError(_unknown_release(inputs.name, facts.release))
    if backup and backup.repository in RELEASES[facts.release].repositories_lacking:
        raise ConfigError(_no_such_repository(inputs.name, facts.release, backup.repository))
    return DatabaseSettings(
        me=me,
        members=members,
        release=_release(facts.release, server["major_version"]),
        cluster_token=_token(cluster, members),
        passwords=_passwords(server),
        certificates=_certificates(inputs, server),
        access=_access(server),
        application=_application(server.get("application") or {}),
        rest_user=cluster["patroni"]["rest_user"],
        synchronous_mode=cluster["synchronous_mode"] if len(members) > 1 else "off",
        node_parameters=node_parameters(facts.memory_bytes, _archived(backup) | server["config"])
        | backup_parameters(backup)
        | (_STRICT_PARAMETERS if is_strict(inputs.config) else {}),
        cluster_parameters=cluster_parameters(server["config"]),
        failover=_failover(cluster["patroni"]),
        etcd_timing=_etcd_timing(cluster["etcd"]),
        backup=backup,
    )


def _release(codename: str, major: int | None) -> Release:
    """Return what is particular to a Debian release, with another PostgreSQL where one is named."""
    release = RELEASES[codename]
    return replace(release, postgresql=major) if major else release


def _archived(backup: BackupSettings | None) -> dict[str, object]:
    """Return what archiving sets unless the operator says otherwise."""
    return {"archive_timeout": ARCHIVE_TIMEOUT} if backup else {}


def _members(
    inputs: NodeInputs, nodes: Mapping[str, Mapping[str, str]]
) -> tuple[Member, tuple[Member, ...]]:
    """Return this node and all nodes; it is known by its address, or else by its name."""
    address = inputs.config["manager"]["private_ip"]
    members = tuple(Member(name=name, address=node["ip"]) for name, node in nodes.items())
    found = [member for member in members if member.address == address]
    found += [member for member in members if member.name == inputs.name]
    if found:
        return found[0], members
    alone = Member(name=inputs.name, address=address)
    return alone, (alone,)


def _etcd_timing(etcd: Mapping[str, Any]) -> EtcdTiming:
    return EtcdTiming(
        heartbeat_ms=etcd["heartbeat_interval_ms"], election_ms=etcd["election_timeout_ms"]
    )


def _failover(patroni: Mapping[str, Any]) -> Failover:
    return Failover(
        ttl_s=patroni["ttl"],
        loop_wait_s=patroni["loop_wait"],
        retry_timeout_s=patroni["retry_timeout"],
    )


def _token(cluster: Mapping[str, Any], members: tuple[Member, ...]) -> Secret:
    return Secret(cluster["etcd"]["cluster_token"] or f"alone-{members[0].name}")


def _passwords(server: Mapping[str, Any]) -> Passwords:
    cluster = server["cluster"]
    return Passwords(
        superuser=_secret(server["postgres_password"]),
        replicator=_secret(cluster["postgres"]["replicator_password"]),
        rewind=_secret(cluster["postgres"]["rewind_password"]),
        etcd_root=_secret(cluster["etcd"]["root_password"]),
        etcd_patroni=_secret(cluster["etcd"]["patroni_password"]),
        rest=_secret(cluster["patroni"]["rest_password"]),
    )


def _secret(text: str) -> Secret | None:
    return Secret(text) if text else None


def _certificates(inputs: NodeInputs, server: Mapping[str, Any]) -> Certificates:
    users = {
        user: KeyPair(
            certificate=inputs.read(section[f"{prefix}_cert_path"]),
            key=inputs.read(section[f"{prefix}_key_path"]),
        )
        for user, (name, prefix) in _CERTIFICATE_USERS.items()
        if (section := server["cluster"][name])[f"{prefix}_cert_path"]
    }
    return Certificates(
        node=KeyPair(
            certificate=inputs.read(server["cert_path"]), key=inputs.read(server["key_path"])
        ),
        ca=inputs.read(server["ca_path"]),
        users=users,
    )


def _access(server: Mapping[str, Any]) -> Access:
    is_remote = server["enable_remote_connections"]
    clients = tuple(hba_address(client) for client in server["allowed_clients"])
    return Access(
        is_remote=is_remote,
        clients=(clients or ("all",)) if is_remote else (),
        certificate=server["ssl_client_verification"],
    )


def _application(application: Mapping[str, str]) -> Application | None:
    if not application.get("password_verifier"):
        return None
    return Application(
        database=application["database"],
        username=application["username"],
        verifier=Secret(application["password_verifier"]),
    )


def _no_such_repository(node: str, release: str, kind: str) -> Problem:
    return Problem(
        where=node,
        what=f"pgBackRest of Debian '{release}' knows no repository of the kind {kind}",
        remedy="write backup.repository: s3 or directory, or use Debian 13",
    )


def _unknown_release(node: str, release: str) -> Problem:
    return Problem(
        where=node,
        what=f"the database role does not know the Debian release '{release}'",
        remedy=f"use a host of {' or '.join(RELEASES)}",
    )
