import pytest

from installer.config.database_rules import FIXED_PARAMETERS
from installer.roles.database.tuning import (
    CLUSTER_WIDE,
    FAST_FAILOVER,
    FIXED,
    cluster_parameters,
    node_parameters,
)

GIB = 1024**3
STALE_CLAIM_S = 30  # of an execution: manager/worker/claims.py


@pytest.mark.parametrize(
    ("memory_gib", "buffers"), [(0.4, "128MB"), (2, "512MB"), (4, "1024MB"), (256, "2048MB")]
)
def test_a_quarter_of_the_memory_is_for_shared_buffers_within_bounds(memory_gib, buffers):
    assert node_parameters(int(memory_gib * GIB), {})["shared_buffers"] == buffers


def test_an_unknown_memory_gives_a_modest_size():
    assert node_parameters(0, {})["shared_buffers"] == "512MB"


def test_a_new_kernels_memory_count_changes_nothing():
    """A changed size would restart PostgreSQL."""
    assert node_parameters(4 * GIB - 9_000_000, {}) == node_parameters(4 * GIB - 12_000_000, {})


def test_the_operators_values_win():
    found = node_parameters(4 * GIB, {"work_mem": "16MB", "log_statement": "ddl"})

    assert (found["work_mem"], found["log_statement"]) == ("16MB", "ddl")


@pytest.mark.parametrize(
    ("name", "value"), [("ssl", False), ("password_encryption", "md5"), ("ssl_key_file", "/x")]
)
def test_nobody_turns_protection_off(name, value):
    assert node_parameters(4 * GIB, {name: value}) == node_parameters(4 * GIB, {})


def test_sessions_of_a_dead_client_end_before_others_take_its_executions():
    found = node_parameters(4 * GIB, {})
    idle_s, interval_s, user_s = (
        int(found[f"tcp_{name}"].removesuffix("s"))
        for name in ("keepalives_idle", "keepalives_interval", "user_timeout")
    )

    assert idle_s + interval_s * int(found["tcp_keepalives_count"]) < STALE_CLAIM_S
    assert user_s < STALE_CLAIM_S


def test_yaml_booleans_become_postgresqls():
    assert node_parameters(0, {"log_connections": True})["log_connections"] == "on"


def test_what_replicas_need_alike_goes_to_the_cluster():
    """Patroni ignores these in a node's own file."""
    given = {"max_connections": 500, "work_mem": "8MB"}

    assert cluster_parameters(given)["max_connections"] == "500"
    assert not CLUSTER_WIDE & set(node_parameters(0, given))
    assert "work_mem" not in cluster_parameters(given)


def test_the_times_of_a_failover_keep_patronis_rule():
    assert FAST_FAILOVER.loop_wait_s + 2 * FAST_FAILOVER.retry_timeout_s <= FAST_FAILOVER.ttl_s
    assert FAST_FAILOVER.ttl_s >= 20


def test_validate_knows_which_parameters_are_not_the_operators():
    assert set(FIXED) == FIXED_PARAMETERS
