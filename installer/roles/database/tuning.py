"""PostgreSQL's memory from the host's, and how fast a failover is."""

from collections.abc import Mapping
from dataclasses import dataclass

_MIB = 1024 * 1024
_UNKNOWN_MEMORY = 2048 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """Patroni's three times, which decide together how long a lost primary is missed.

    Rule: loop_wait + 2 * retry_timeout ≤ ttl. Source: Patroni, "Dynamic Configuration Settings".
    """

    ttl_s: int
    loop_wait_s: int
    retry_timeout_s: int


# 20 s is the least ttl that Patroni takes. A shorter retry_timeout would demote the primary
# when etcd hangs on a slow disk; failsafe mode keeps it while all replicas still answer.
FAST_FAILOVER = Failover(ttl_s=20, loop_wait_s=5, retry_timeout_s=5)

# Patroni takes these from the cluster's configuration only: replicas need the primary's values.
# Source: Patroni, "PostgreSQL parameters controlled by Patroni".
CLUSTER_WIDE = frozenset(
    {
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "max_replication_slots",
        "max_wal_senders",
        "max_worker_processes",
        "track_commit_timestamp",
        "wal_level",
        "wal_log_hints",
    }
)
_CLUSTER_DEFAULTS = {"max_connections": "250", "wal_level": "replica"}
_DEFAULTS = {
    "checkpoint_completion_target": "0.9",
    "jit": "off",  # its machine code needs memory that is writable and executable: see the unit
    "log_checkpoints": "on",
    "log_line_prefix": "%q%u@%d ",  # the journal has time and process
    "log_lock_waits": "on",
    "log_timezone": "Etc/UTC",
    "max_slot_wal_keep_size": "4GB",  # a replica that stays away must not fill the primary's disk
    # A host that lost its power says no good-bye, and what it had locked would stay so for the
    # kernel's two hours. Its sessions end sooner than a claim on an execution, which is 30 s old.
    # Source: PostgreSQL, "TCP Settings"; the last bounds what a client that hangs can lock.
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "3s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
    "idle_in_transaction_session_timeout": "5min",
    "timezone": "Etc/UTC",
    "wal_compression": "on",
    # how long commits wait for a synchronous replica whose host is gone, before Patroni's next look
    "wal_sender_timeout": "10s",
}
TLS_FOLDER = "/etc/patroni/tls"
SOCKET_FOLDER = "/run/postgresql"
FIXED = {  # what the operator cannot change
    "password_encryption": "scram-sha-256",
    "ssl": "on",
    "ssl_ca_file": f"{TLS_FOLDER}/ca.crt",
    "ssl_cert_file": f"{TLS_FOLDER}/node.crt",
    "ssl_key_file": f"{TLS_FOLDER}/node.key",
    "ssl_min_protocol_version": "TLSv1.2",
    "unix_socket_directories": SOCKET_FOLDER,
}


def node_parameters(memory_bytes: int, overrides: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters of one host: sizes from its memory, then what the operator set.

    A quarter of the memory for shared_buffers, half for the cache that the planner counts on; the
    upper bounds are what a manager's database fills, and leave room to services beside it.
    """
    memory = memory_bytes or _UNKNOWN_MEMORY
    sized = {
        "shared_buffers": _megabytes(memory // 4, least=128, most=2048, step=64),
        "effective_cache_size": _megabytes(memory // 2, least=256, most=16384, step=256),
        "work_mem": _megabytes(memory // 256, least=4, most=32, step=4),
        "maintenance_work_mem": _megabytes(memory // 16, least=64, most=512, step=64),
    }
    given = {name: parameter_text(value) for name, value in overrides.items()}
    own = {name: text for name, text in given.items() if name not in CLUSTER_WIDE}
    return _DEFAULTS | sized | own | FIXED


def cluster_parameters(overrides: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters that all members share."""
    given = {name: parameter_text(value) for name, value in overrides.items()}
    return _CLUSTER_DEFAULTS | {name: text for name, text in given.items() if name in CLUSTER_WIDE}


def parameter_text(value: object) -> str:
    """Return a YAML value as PostgreSQL writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _megabytes(size_bytes: int, *, least: int, most: int, step: int) -> str:
    """Return a size; rounded down, so that a new kernel's memory count changes nothing."""
    size = size_bytes // _MIB // step * step
    return f"{max(least, min(most, size))}MB"
