"""The part of Patroni's configuration that all members share, kept in etcd."""

from typing import Any

from installer.roles.database.model import DatabaseSettings

_MAX_LAG_BYTES = 1024 * 1024  # Patroni's default; with synchronous mode nothing lags that counts


def cluster_config(db: DatabaseSettings) -> dict[str, Any]:
    """Return what Patroni calls the dynamic configuration."""
    return {
        "ttl": db.failover.ttl_s,
        "loop_wait": db.failover.loop_wait_s,
        "retry_timeout": db.failover.retry_timeout_s,
        "maximum_lag_on_failover": _MAX_LAG_BYTES,
        "check_timeline": True,
        "failsafe_mode": True,  # an outage of etcd alone stops no write
        "synchronous_mode": db.synchronous_mode != "off",
        "synchronous_mode_strict": db.synchronous_mode == "strict",
        # a crashed PostgreSQL may recover this long before a replica takes over
        "primary_start_timeout": 60,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            # a former primary comes back by itself, from a fresh copy if rewinding fails:
            # what only it had was acknowledged to nobody
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            "parameters": dict(db.cluster_parameters),
        },
    }
