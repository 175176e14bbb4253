"""Make a reporter's settings from a node's config.yaml."""

from collections.abc import Mapping
from typing import Any

from installer.config.model import Document, NodeInputs
from installer.reporter.settings import NodeType, ReporterSettings, node_id_of
from installer.roles.reporter.state import ReporterFiles
from installer.secrets import Secret

_SERVICES = {
    "manager_service": NodeType.MANAGER,
    "database_service": NodeType.DB,
    "queue_service": NodeType.BROKER,
}


def node_types(config: Document) -> tuple[NodeType, ...]:
    """Return what this node reports on: its services but the load balancer."""
    installed = config["services_to_install"]
    return tuple(kind for service, kind in _SERVICES.items() if service in installed)


def reporter_settings(inputs: NodeInputs) -> ReporterSettings | None:
    """Return the settings, or None on a node that has no token to report with."""
    config = inputs.config
    tokens = _tokens(config)
    if not tokens:
        return None
    section = config["status_reporter"]
    address = config["manager"]["private_ip"]
    return ReporterSettings(
        tokens=tokens,
        node_name=inputs.name,
        private_ip=address,
        node_id=section.get("node_id") or node_id_of(inputs.name, address),
        managers_ips=tuple(section["managers_ip"]) or (address,),
        ca_path=section["ca_path"] or config["ssl_inputs"]["ca_cert_path"],  # a manager knows it
        reporting_freq=section["reporting_freq"],
        extra_config=_broker_login(config, inputs.name),
    )


def reporter_files(inputs: NodeInputs, settings: ReporterSettings) -> ReporterFiles:
    """Return the certificates: the managers' CA, and the pair of the service that is watched."""
    section = inputs.config[_tls_section(settings)]
    prefix = "internal_" if NodeType.MANAGER in settings.tokens else ""
    return ReporterFiles(
        manager_ca=inputs.read(settings.ca_path),
        node_ca=inputs.read(section["ca_cert_path" if prefix else "ca_path"]),
        client_cert=inputs.read(section[f"{prefix}cert_path"]),
        client_key=inputs.read(section[f"{prefix}key_path"]),
    )


def _tls_section(settings: ReporterSettings) -> str:
    if NodeType.MANAGER in settings.tokens:
        return "ssl_inputs"
    return "postgresql_server" if NodeType.DB in settings.tokens else "rabbitmq"


def _tokens(config: Document) -> Mapping[NodeType, Secret]:
    section = config["status_reporter"]
    given = section.get("tokens") or {}
    kinds = node_types(config)
    found = {kind: given.get(str(kind)) or section.get("token") for kind in kinds}
    return {kind: Secret(token) for kind, token in found.items() if token}


def _broker_login(config: Document, name: str) -> Mapping[str, Any]:
    if "queue_service" not in config["services_to_install"]:
        return {}
    rabbitmq = config["rabbitmq"]
    return {
        "broker_username": rabbitmq["username"],
        "broker_password": rabbitmq["password"],
        "broker_node": f"rabbit@{rabbitmq.get('nodename') or name}",
    }
