"""What a manager node must know, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from installer.secrets import Secret

WEB_TLS = "/etc/nginx/tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate, intermediates after it, and its key (PEM)."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A member of the database or the queue, by its name and its address."""

    name: str
    address: str
    networks: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseClient:
    """How the runtime reaches PostgreSQL, and as whom."""

    hosts: tuple[Peer, ...]
    port: int
    name: str
    username: str
    password: Secret
    ca: bytes | None  # None: an all-in-one host without TLS to its own database
    client: KeyPair | None
    is_external: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOwner:
    """Who may create the application's role and database, where the database role does not."""

    database: str
    username: str
    password: Secret
    client: KeyPair | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerClient:
    """How the runtime reaches RabbitMQ, and as whom."""

    hosts: tuple[Peer, ...]
    username: str
    password: Secret
    ca: bytes
    is_external: bool
    port: int = 5671
    vhost: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A name that nginx serves with one certificate on some ports."""

    name: str  # server_name
    label: str  # of its files
    ports: tuple[int, ...]
    default_ports: tuple[int, ...]  # where it answers for every other name too
    pair: KeyPair

    @property
    def certificate_path(self) -> str:
        """Return where nginx finds the certificate."""
        return f"{WEB_TLS}/{self.label}.crt"

    @property
    def key_path(self) -> str:
        """Return where nginx finds the key."""
        return f"{WEB_TLS}/{self.label}.key"

    def is_default(self, port: int) -> bool:
        """Tell whether requests for unknown names on this port are answered here."""
        return port in self.default_ports


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests nginx takes from one address that shows no token."""

    rate: str  # "10r/s"
    burst: int
    delay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServer:
    """nginx in front of the REST service."""

    sites: tuple[Site, ...]  # the internal one first
    rest_port: int
    worker_processes: str
    worker_connections: int
    max_open_fds: int
    rate_limit: RateLimit | None
    trusted_proxies: tuple[str, ...]  # whose X-Forwarded-For counts: the load balancers
    has_ipv6: bool = False
    ca: bytes | None = None  # what the other managers are verified with; null: there is none
    files_root: str = "/opt/manager"  # the folder with the file tree `resources`
    internal_port: int = 53333  # where the other managers serve files, as this one does
    # forward secrecy and authenticated encryption only
    ciphers: str = "ECDHE+AESGCM:ECDHE+CHACHA20"
    is_strict: bool = False  # TLS 1.3 only, and headers that close what an API does not need

    @property
    def ca_path(self) -> str:
        """Return where nginx finds the CA's certificate."""
        return f"{WEB_TLS}/ca.crt"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestService:
    """gunicorn behind nginx."""

    port: int
    workers: int
    failed_logins_before_account_lock: int
    account_lock_period: int  # minutes; 0 for ever, -1 never
    default_page_size: int
    log_level: str
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerService:
    """The management worker: how many workflows, and how many operations, it runs at once."""

    concurrency: int
    task_retries: int  # -1: without end
    task_retry_interval: int  # seconds
    log_level: str
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDefaults:
    """What agents on application hosts begin with."""

    min_workers: int
    max_workers: int
    heartbeat: int  # seconds
    log_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """What only the first start of a cluster needs; it goes to the runtime by standard input."""

    admin_username: str
    admin_password: Secret
    reporter_tokens: Mapping[str, Secret] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerSettings:
    """One manager node."""

    hostname: str
    private_ip: str
    public_ip: str
    networks: Mapping[str, str] = field(hash=False)
    internal: KeyPair  # by which other nodes know this one; syncthing's device certificate too
    ca: bytes
    database: DatabaseClient
    owner: DatabaseOwner | None
    broker: BrokerClient
    security: Mapping[str, Secret] = field(hash=False)  # hash_salt, secret_key, encryption_key
    old_encryption_keys: tuple[Secret, ...] = field(hash=False)
    web: WebServer
    rest: RestService
    worker: WorkerService
    agent: AgentDefaults
    bootstrap: Bootstrap
    has_file_sync: bool
