"""What the status reporter of a node is told: its YAML file as a frozen value."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from installer.errors import ConfigError, Problem
from installer.secrets import Secret

HOME = Path("/opt/status-reporter")
CONFIG_PATH = HOME / "status_reporter_configuration.yaml"  # the path of 5.0.5
UNIT = "cloudify-status-reporter.service"
USER = "cfyreporter"


class NodeType(StrEnum):
    """Which service a reporter watches; the last part of the route it reports to."""

    MANAGER = "manager"
    DB = "db"
    BROKER = "broker"

    @property
    def reporter_user(self) -> str:
        """Return the manager's user whose token this kind of node reports with."""
        return f"{self}_status_reporter"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReporterSettings:
    """Everything one reporter needs; `tokens` has one for each service that the node runs."""

    tokens: Mapping[NodeType, Secret] = field(hash=False)
    node_name: str
    private_ip: str
    node_id: str  # a uuid that stays with the node
    managers_ips: tuple[str, ...]
    ca_path: str
    reporting_freq: int = 5  # seconds
    request_timeout: int = 4  # seconds; below the frequency, so that reports do not pile up
    log_level: str = "INFO"
    extra_config: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_document(self) -> dict[str, Any]:
        """Return the file's document, the token in clear: for a file of mode 0400 only."""
        return {
            "tokens": {str(kind): token.reveal() for kind, token in self.tokens.items()},
            "node_name": self.node_name,
            "private_ip": self.private_ip,
            "node_id": self.node_id,
            "managers_ips": list(self.managers_ips),
            "ca_path": self.ca_path,
            "reporting_freq": self.reporting_freq,
            "request_timeout": self.request_timeout,
            "log_level": self.log_level,
            "extra_config": dict(self.extra_config),
        }


def node_id_of(node_name: str, private_ip: str) -> str:
    """Return the uuid of a node: the same for the same name and address, so it needs no storage."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{node_name}.{private_ip}"))


def load_settings(path: Path = CONFIG_PATH) -> ReporterSettings:
    """Read the reporter's file; raises ConfigError when it is missing or incomplete."""
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(
            Problem(
                where=str(path),
                what="this node's status reporter is not configured",
                remedy="run `cfy_manager status-reporter configure`",
            )
        ) from error
    try:
        return parse_settings(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            Problem(
                where=str(path),
                what=f"the file is not a reporter's configuration: {error}",
                remedy="run `cfy_manager status-reporter configure` again",
            )
        ) from error


def parse_settings(document: Mapping[str, Any]) -> ReporterSettings:
    """Return the settings of a document; the reverse of `to_document`."""
    values = dict(document)
    values["tokens"] = {NodeType(kind): Secret(token) for kind, token in values["tokens"].items()}
    values["managers_ips"] = tuple(values["managers_ips"])
    return ReporterSettings(**values)
