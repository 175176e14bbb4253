"""What each node is asked: its services over loopback or its own address, with its own certificate.

Names of answers are shared with the modules that read them.
"""

import base64
from collections.abc import Mapping
from typing import Any

from installer.config.model import Document
from installer.config.source import value_at
from installer.inventory import Inventory, Node, Role
from installer.secrets import Secret

PATRONI, ETCD, SQL, MAINTENANCE = "patroni", "etcd", "sql", "maintenance"
QUORUM, EXECUTIONS = "quorum-queues", "executions"
BROKERS, REST, SYNC, SYNC_PEERS, HAPROXY = "brokers", "rest", "sync", "sync-peers", "haproxy"

_LEAST_S = 2.0  # that a service has to answer, however short the look is to be
_SHARE = 0.2  # of the time for a node
_FOLDER = "/etc/cloudify/ssl"
TLS = {"ca": f"{_FOLDER}/ca.crt", "cert": f"{_FOLDER}/node.crt", "key": f"{_FOLDER}/node.key"}
_SYNC_KEY = "/opt/manager/syncthing/api.key"
_SYNC_FOLDER = "cloudify-resources"
_STATISTICS = "/run/haproxy/stats.sock"
# Statistics still call replicas online that went more than ten seconds ago
_QUEUES = "queues?disable_stats=true&columns=name,members,online"
_BROKER_COLUMNS = "name,running,mem_alarm,disk_free_alarm,partitions,being_drained"

# One JSON object. A commit that waits for a replica waits in SyncRep: docs, "Wait Events".
_DATABASE_QUESTION = """\
select json_build_object(
  'names', current_setting('synchronous_standby_names'),
  'waiting', (select count(*) from pg_stat_activity where wait_event = 'SyncRep'),
  'waiting_s', (select coalesce(extract(epoch from max(clock_timestamp() - query_start)), 0)
                from pg_stat_activity where wait_event = 'SyncRep'),
  'backup', nullif(current_setting('cfy.last_backup', true), ''),
  'archiver', (select json_build_object(
      'failing', last_failed_time > coalesce(last_archived_time, '-infinity'),
      'waiting_s', (select coalesce(extract(epoch from max(clock_timestamp() - modification)), 0)
                    from pg_ls_archive_statusdir() where name like '%.ready'),
      'since', to_char(coalesce(last_archived_time, last_failed_time), 'YYYY-MM-DD HH24:MI:SS'))
    from pg_stat_archiver),
  'replicas', (select coalesce(json_agg(json_build_object(
      'name', application_name, 'state', state, 'sync', sync_state,
      'lag', case when pg_is_in_recovery() then null
             else pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) end)), '[]')
    from pg_stat_replication))"""
_MAINTENANCE_QUESTION = "select status from maintenance_mode"
# `owner` is a manager and the start of its worker; an execution that has ended has none
_EXECUTIONS_QUESTION = """\
select coalesce(json_object_agg(manager, number), '{}') from (
  select split_part(owner, '/', 1) as manager, count(*) as number
    from executions where owner is not null group by 1) as running"""


def node_request(
    inventory: Inventory, node: Node, secrets: Mapping[str, Secret], timeout_s: float
) -> dict[str, Any]:
    """Return what a node is asked about how it is; `timeout_s` is for all of it."""
    gets: dict[str, Any] = {}
    request: dict[str, Any] = {
        "limit_s": max(_LEAST_S, _SHARE * timeout_s),
        "tls": TLS,
        "gets": gets,
        "virtual_ip": inventory.load_balancer.virtual_ip,
    }
    if Role.DATABASE in node.roles:
        gets |= database_asks(node.address)
        request["sql"] = _questions(inventory.settings)
    if Role.QUEUE in node.roles:
        gets[BROKERS] = broker_ask("127.0.0.1", node.name, *_login(inventory.settings, secrets))
    if Role.MANAGER in node.roles:
        gets |= _manager_asks(inventory, node)
    if Role.LOADBALANCER in node.roles:
        request["sockets"] = [(HAPROXY, _STATISTICS, "show stat\n")]
    return request


def work_request(
    inventory: Inventory, node: Node, secrets: Mapping[str, Secret], timeout_s: float
) -> dict[str, Any]:
    """Return the same and what it is about: the replicas of each queue, the executions."""
    request = node_request(inventory, node, secrets, timeout_s)
    if Role.DATABASE in node.roles:
        question = (EXECUTIONS, database_name(inventory.settings), _EXECUTIONS_QUESTION)
        request["sql"] = [*request["sql"], question]
    if Role.QUEUE in node.roles:
        login = _login(inventory.settings, secrets)
        request["gets"][QUORUM] = queues_ask("127.0.0.1", node.name, *login)
    return request


def database_asks(host: str) -> dict[str, Any]:
    """Return the questions to Patroni and etcd of one member."""
    return {
        PATRONI: {"host": host, "port": 8008, "path": "/cluster", "tls": True},
        ETCD: {"host": host, "port": 2379, "path": "/health", "tls": True},
    }


def broker_ask(host: str, name: str, username: str, password: Secret) -> dict[str, Any]:
    """Return the question for all brokers to one of them, whose certificate has `name`."""
    return _api_ask(host, name, f"nodes?columns={_BROKER_COLUMNS}", (username, password))


def queues_ask(host: str, name: str, username: str, password: Secret) -> dict[str, Any]:
    """Return the question for all queues to one broker."""
    return _api_ask(host, name, _QUEUES, (username, password))


def _api_ask(host: str, name: str, path: str, user: tuple[str, Secret]) -> dict[str, Any]:
    username, password = user
    login = base64.b64encode(f"{username}:{password.reveal()}".encode()).decode()
    return {
        "host": host,
        "name": name,
        "port": 15671,
        "path": f"/api/{path}",
        "tls": True,
        "headers": {"Authorization": f"Basic {login}"},
    }


def has_file_sync(settings: Document) -> bool:
    """Tell whether the managers replicate their files by syncthing."""
    return value_at(settings, ("manager", "cluster_filesystem_replication")) is not False


def _questions(settings: Document) -> list[tuple[str, str, str]]:
    name = database_name(settings)
    return [(SQL, "postgres", _DATABASE_QUESTION), (MAINTENANCE, name, _MAINTENANCE_QUESTION)]


def database_name(settings: Document) -> str:
    """Return the name of the managers' database."""
    return str(value_at(settings, ("postgresql_client", "cloudify_db_name")) or "cloudify_db")


def _login(settings: Document, secrets: Mapping[str, Secret]) -> tuple[str, Secret]:
    username = str(value_at(settings, ("rabbitmq", "username")) or "cloudify")
    return username, secrets.get("rabbitmq_password", Secret(""))


def _manager_asks(inventory: Inventory, node: Node) -> dict[str, Any]:
    asks: dict[str, Any] = {
        REST: {"host": node.address, "port": 53333, "path": "/api/v3.1/ok", "tls": True}
    }
    if has_file_sync(inventory.settings):
        paths = {
            SYNC: f"/rest/db/status?folder={_SYNC_FOLDER}",
            SYNC_PEERS: "/rest/system/connections",
        }
        key = {"key_file": _SYNC_KEY, "key_header": "X-API-Key"}
        asks |= {
            name: {"host": "127.0.0.1", "port": 8384, "path": path, **key}
            for name, path in paths.items()
        }
    return asks
