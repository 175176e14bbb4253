"""manager.yaml, the contract between the installer and the runtime, as frozen dataclasses."""

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PATH = Path("/opt/manager/manager.yaml")
PATH_VARIABLE = "MANAGER_CONFIG"
SYNC_UNIT = "cloudify-syncthing.service"
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddress:
    """A database or queue node as the managers reach it."""

    name: str
    address: str
    networks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerSettings:
    """This manager: `hostname` is its identity in the cluster."""

    hostname: str
    private_ip: str
    public_ip: str
    ca_path: Path
    networks: dict[str, str] = field(default_factory=dict)
    internal_rest_port: int = 53333


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """The application database; libpq finds the primary among `hosts`."""

    hosts: tuple[NodeAddress, ...]
    username: str
    password: str = field(repr=False)
    name: str = "cloudify_db"
    port: int = 5432
    sslmode: str = "verify-full"
    ca_path: Path | None = None
    cert_path: Path | None = None
    key_path: Path | None = None
    is_external: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitmqSettings:
    """The brokers and the user that the managers are to them."""

    hosts: tuple[NodeAddress, ...]
    username: str
    password: str = field(repr=False)
    ca_path: Path
    port: int = 5671
    vhost: str = "/"
    management_port: int = 15671
    is_external: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuritySettings:
    """Secrets that all managers of a cluster share."""

    hash_salt: str = field(repr=False)
    secret_key: str = field(repr=False)
    encryption_key: str = field(repr=False)
    old_encryption_keys: tuple[str, ...] = field(default=(), repr=False)  # while it changes


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """The REST service; `workers` processes of `threads` threads each.

    An account is locked after `failed_logins_before_account_lock` wrong passwords, for
    `account_lock_period` minutes: 0 for ever, -1 never.
    """

    address: str = "127.0.0.1"
    port: int = 8100
    workers: int = 2
    threads: int = 8
    failed_logins_before_account_lock: int = 4
    account_lock_period: int = -1
    default_page_size: int = 1000
    log_level: str = "INFO"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSyncSettings:
    """Replication of the file tree between managers by syncthing.

    `home` holds syncthing's cert.pem and key.pem; its API listens on loopback only.
    """

    enabled: bool = True
    home: Path = Path("/opt/manager/syncthing")
    api_port: int = 8384
    api_key_path: Path = Path("/opt/manager/syncthing/api.key")
    port: int = 22000
    interval_s: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """Where the runtime keeps its files."""

    resources: Path = Path("/opt/manager/resources")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """How large uploads may be, and what may come out of an archive."""

    max_upload_mb: int = 10_240
    max_unpacked_mb: int = 8_192
    max_archive_entries: int = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The management worker: how many workflows and operations it runs at once, each in a process.

    Plugins and temporary files are below `home`. At its stop, operations that run have
    `stop_timeout_s` to end; what has not ended then runs again elsewhere. A failing operation is
    tried `task_retries` times more (-1: without end), `task_retry_interval` seconds apart.
    """

    home: Path = Path("/opt/manager/work")
    workflows: int = 20
    operations: int = 20
    stop_timeout_s: int = 10
    task_retries: int = 60
    task_retry_interval: int = 15
    log_level: str = "INFO"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What agents on application hosts begin with; `heartbeat` is in seconds."""

    min_workers: int = 2
    max_workers: int = 5
    heartbeat: int = 30
    log_level: str = "INFO"


def default_services() -> dict[str, str]:
    """Return the services of a manager that `/status` shows: display name and systemd unit."""
    return {
        "Webserver": "nginx.service",
        "Manager Rest-Service": "cloudify-restservice.service",
        "Management Worker": "cloudify-mgmtworker.service",
        "File Sync Service": SYNC_UNIT,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole of manager.yaml."""

    manager: ManagerSettings
    database: DatabaseSettings
    rabbitmq: RabbitmqSettings
    security: SecuritySettings
    rest: RestSettings = RestSettings()
    file_sync: FileSyncSettings = FileSyncSettings()
    paths: PathSettings = PathSettings()
    files: FileSettings = FileSettings()
    worker: WorkerSettings = WorkerSettings()
    agent: AgentSettings = AgentSettings()
    services: dict[str, str] = field(default_factory=default_services)


def settings_path() -> Path:
    """Return where manager.yaml is: the environment's choice or the documented place."""
    return Path(os.environ.get(PATH_VARIABLE, DEFAULT_PATH))


def is_host(text: str) -> bool:
    """Tell whether `text` is an IP address or a host name.

    Source: RFC 1123, 2.1; a last label of digits would make a mistyped IPv4 address a name.
    """
    labels = text.split(".")
    is_name = all(map(_LABEL.fullmatch, labels)) and len(text) <= 253 and not labels[-1].isdigit()
    return is_name or is_address(text)


def is_address(text: str) -> bool:
    """Tell whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
