"""Make a manager's settings from its config.yaml."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from installer.config.hardening_rules import is_strict
from installer.config.model import Document, NodeInputs
from installer.engine.observation import NodeFacts
from installer.roles.manager.model import (
    AgentDefaults,
    Bootstrap,
    BrokerClient,
    DatabaseClient,
    DatabaseOwner,
    KeyPair,
    ManagerSettings,
    Peer,
    RateLimit,
    RestService,
    Site,
    WebServer,
    WorkerService,
)
from installer.secrets import Secret

_HTTPS = 443
_MIN_WORKERS = 2
_NEVER, _STRICT_LOCK_MINUTES = -1, 30


def manager_settings(inputs: NodeInputs, facts: NodeFacts) -> ManagerSettings:
    """Return everything a manager node must know."""
    config = inputs.config
    manager, ssl = config["manager"], config["ssl_inputs"]
    internal = _pair(inputs, ssl, "internal_")
    security = ("hash_salt", "secret_key", "encryption_key")
    return ManagerSettings(
        hostname=inputs.name,
        private_ip=manager["private_ip"],
        public_ip=manager["public_ip"],
        networks=config["networks"],
        internal=internal,
        ca=inputs.read(ssl["ca_cert_path"]),
        database=_database(inputs),
        owner=_owner(inputs),
        broker=_broker(inputs),
        security={key: Secret(config["flask_security"][key]) for key in security},
        old_encryption_keys=tuple(map(Secret, config["flask_security"]["old_encryption_keys"])),
        web=_web(inputs, internal, facts),
        rest=_rest(config, facts),
        worker=_worker(config["mgmtworker"]),
        agent=_agent(config["agent"]),
        bootstrap=_bootstrap(config),
        has_file_sync=manager["cluster_filesystem_replication"],
    )


def _pair(inputs: NodeInputs, section: Document, prefix: str) -> KeyPair:
    return KeyPair(
        certificate=inputs.read(section[f"{prefix}cert_path"]),
        key=inputs.read(section[f"{prefix}key_path"]),
    )


def _database(inputs: NodeInputs) -> DatabaseClient:
    client = inputs.config["postgresql_client"]
    return DatabaseClient(
        hosts=_database_hosts(inputs),
        port=client["port"],
        name=client["cloudify_db_name"],
        username=client["cloudify_username"],
        password=Secret(client["cloudify_password"]),
        ca=inputs.read(client["ca_path"]) if client["ca_path"] else None,
        client=_client_pair(inputs, "postgresql_client_"),
        is_external=not _is_ours(inputs.config),
    )


def _is_ours(config: Document) -> bool:
    """Tell whether the database is one that this installer runs and that reports its status."""
    own = "database_service" in config["services_to_install"]
    return own or bool(config["postgresql_server"]["cluster"]["nodes"])


def _database_hosts(inputs: NodeInputs) -> tuple[Peer, ...]:
    config = inputs.config
    nodes: Mapping[str, Any] = config["postgresql_server"]["cluster"]["nodes"]
    if nodes:
        return tuple(Peer(name=name, address=node["ip"]) for name, node in nodes.items())
    if "database_service" in config["services_to_install"]:
        return (Peer(name=inputs.name, address=config["manager"]["private_ip"]),)
    host = config["postgresql_client"]["host"]
    return tuple(
        Peer(name=name, address=name) for name in ([host] if isinstance(host, str) else host)
    )


def _client_pair(inputs: NodeInputs, prefix: str) -> KeyPair | None:
    """Return the certificate that the database is shown for a user, where it wants to see one."""
    is_shown = inputs.config["postgresql_client"]["ssl_client_verification"]
    ssl = inputs.config["ssl_inputs"]
    return _pair(inputs, ssl, prefix) if is_shown and ssl[f"{prefix}cert_path"] else None


def _owner(inputs: NodeInputs) -> DatabaseOwner | None:
    client = inputs.config["postgresql_client"]
    if not client["server_password"]:
        return None
    return DatabaseOwner(
        database=client["server_db_name"],
        username=client["server_username"],
        password=Secret(client["server_password"]),
        client=_client_pair(inputs, "postgresql_superuser_client_"),
    )


def _broker(inputs: NodeInputs) -> BrokerClient:
    rabbitmq, ssl = inputs.config["rabbitmq"], inputs.config["ssl_inputs"]
    members: Mapping[str, Any] = rabbitmq["cluster_members"]
    here = Peer(name=inputs.name, address=inputs.config["manager"]["private_ip"])
    hosts = tuple(
        Peer(name=name, address=member["networks"]["default"], networks=member["networks"])
        for name, member in members.items()
    )
    return BrokerClient(
        hosts=hosts or (here,),
        username=rabbitmq["username"],
        password=Secret(rabbitmq["password"]),
        ca=inputs.read(rabbitmq["ca_path"] or ssl["ca_cert_path"]),
        is_external=rabbitmq["is_external"],
        port=rabbitmq["port"],
        vhost=rabbitmq["vhost"],
    )


def _web(inputs: NodeInputs, internal: KeyPair, facts: NodeFacts) -> WebServer:
    nginx = inputs.config["nginx"]
    limit = nginx["rate_limit"]
    return WebServer(
        sites=_sites(inputs, internal),
        rest_port=inputs.config["restservice"]["port"],
        worker_processes=str(nginx["worker_processes"]),
        worker_connections=nginx["worker_connections"],
        max_open_fds=nginx["max_open_fds"],
        rate_limit=RateLimit(rate=limit["rate"], burst=limit["burst"], delay=limit["delay"])
        if limit["enabled"]
        else None,
        trusted_proxies=tuple(nginx["trusted_proxies"]),
        has_ipv6=facts.has_ipv6,
        ca=inputs.read(inputs.config["ssl_inputs"]["ca_cert_path"]),
        internal_port=_internal_port(inputs.config),
        is_strict=is_strict(inputs.config),
    )


def _internal_port(config: Document) -> int:
    """Return a port that shows the internal certificate to whoever names no host: managers do."""
    manager, clients = config["manager"], config["nginx"]["port"] or _HTTPS
    ports = (*manager["additional_internal_rest_listeners"], manager["internal_rest_port"])
    return next((port for port in ports if port != clients), clients)


def _sites(inputs: NodeInputs, pair: KeyPair) -> tuple[Site, ...]:
    """Return the internal site, and the one towards clients where that has its own certificate.

    On the clients' port the internal site answers those who ask for the node's own name: load
    balancers and other nodes, which trust the internal CA.
    """
    manager, ssl = inputs.config["manager"], inputs.config["ssl_inputs"]
    clients = inputs.config["nginx"]["port"] or _HTTPS
    further = (manager["internal_rest_port"], *manager["additional_internal_rest_listeners"])
    ports = tuple(dict.fromkeys((clients, *further)))
    internal = Site(name=inputs.name, label="internal", ports=ports, default_ports=ports, pair=pair)
    shown = _pair(inputs, ssl, "external_") if ssl["external_cert_path"] else pair
    if shown == pair:
        return (internal,)
    own = tuple(port for port in ports if port != clients)
    external = Site(
        name="_", label="external", ports=(clients,), default_ports=(clients,), pair=shown
    )
    return replace(internal, default_ports=own), external


def _rest(config: Document, facts: NodeFacts) -> RestService:
    section = config["restservice"]
    gunicorn = section["gunicorn"]
    never = section["account_lock_period"] == _NEVER
    automatic = min(int(facts.cpus * gunicorn["cpu_ratio"]), gunicorn["max_worker_count"])
    return RestService(
        port=section["port"],
        workers=gunicorn["worker_count"] or max(_MIN_WORKERS, automatic),
        failed_logins_before_account_lock=section["failed_logins_before_account_lock"],
        account_lock_period=_STRICT_LOCK_MINUTES
        if never and is_strict(config)
        else section["account_lock_period"],
        default_page_size=section["default_page_size"],
        log_level=section["log"]["level"],
        environment=section["extra_env"],
    )


def _worker(section: Document) -> WorkerService:
    return WorkerService(
        concurrency=section["max_workers"],
        task_retries=section["workflows"]["task_retries"],
        task_retry_interval=section["workflows"]["task_retry_interval"],
        log_level=section["log_level"],
        environment=section["extra_env"],
    )


def _agent(section: Document) -> AgentDefaults:
    keys = ("min_workers", "max_workers", "heartbeat", "log_level")
    return AgentDefaults(**{key: section[key] for key in keys})


def _bootstrap(config: Document) -> Bootstrap:
    security = config["manager"]["security"]
    tokens = config["status_reporter"]["tokens"]
    return Bootstrap(
        admin_username=security["admin_username"],
        admin_password=Secret(security["admin_password"]),
        reporter_tokens={kind: Secret(token) for kind, token in tokens.items() if token},
    )
