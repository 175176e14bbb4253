"""`cluster status` of ten real nodes: healthy, then with five things broken at once, each named."""

import json

import pytest

from tests.support.cluster import wait_until

pytestmark = pytest.mark.cluster

PATRONI = "patronictl -c /etc/patroni/config.yml"
ALARM = "rabbitmqctl -q set_vm_memory_high_watermark"
PATIENCE = ("--timeout", "30")  # CI's processors are busy with the ten nodes themselves
FILE = "/etc/nginx/nginx.conf"


def look(cluster):
    """Return exit code and status, as the command tells them."""
    done = cluster.manage(
        *("cluster", "status", "-i", cluster.inventory, "--json", *PATIENCE), check=False
    )
    return done.returncode, json.loads(done.stdout)


def is_healthy(cluster):
    code, status = look(cluster)
    assert (code, status["verdict"]) == (0, "healthy"), status["reasons"]
    return status


@pytest.fixture(scope="module")
def healthy(cluster):
    """The status of the whole cluster, once it is healthy."""
    wait_until(lambda: is_healthy(cluster), "the cluster is healthy", timeout_s=60)
    return is_healthy(cluster)


def replica_of(status):
    return next(
        name
        for name, node in status["nodes"].items()
        if node["services"].get("database", {}).get("part") == "replica"
    )


def primary_of(status):
    return next(
        name
        for name, node in status["nodes"].items()
        if node["services"].get("database", {}).get("part") == "leader"
    )


@pytest.fixture(scope="module")
def broken(cluster, healthy):
    """The exit code and status with five things wrong, the lists too; all is mended after."""
    primary, replica = primary_of(healthy), replica_of(healthy)
    queue, manager = cluster.having("queue")[1], cluster.having("manager")[1]
    try:
        cluster.sh(primary, f"{PATRONI} pause")
        cluster.sh(queue, f"{ALARM} absolute 1MB")
        cluster.sh(manager, f"echo '# mine' >>{FILE}; systemctl stop cloudify-syncthing")
        cluster.fail("power-off", replica)
        wait_until(
            lambda: "broker-alarm" in codes(look(cluster)[1]), "the alarm is seen", timeout_s=30
        )
        lists = [
            cluster.manage(name, "list", "-i", cluster.inventory, check=False)
            for name in ("dbs", "brokers")
        ]
        yield look(cluster), lists, {"replica": replica, "queue": queue, "manager": manager}
    finally:
        cluster.heal(replica)
        cluster.sh(manager, f"sed -i '$ d' {FILE}; systemctl start cloudify-syncthing")
        cluster.sh(queue, f"{ALARM} 0.4")
        cluster.sh(primary, f"{PATRONI} resume")
        wait_until(lambda: is_healthy(cluster), "all is mended", timeout_s=90)


def codes(status):
    return {found["code"] for found in (*status["reasons"], *status["remarks"])}


def test_a_whole_cluster_is_healthy_in_every_column(cluster, healthy):
    assert set(healthy["nodes"]) == set(cluster.nodes)
    parts = [node["services"].get("database", {}).get("part") for node in healthy["nodes"].values()]
    assert sorted(filter(None, parts)) == ["leader", "replica", "synchronous"]
    for name, node in healthy["nodes"].items():
        assert node["state"] == "ok", name
        assert node["units"]["running"] == node["units"]["wanted"] > 0, name
        assert 300 < node["certificate_days"] <= 366, name
        assert node["drifted"] == [], name
        assert node["version"], name
        assert node["packages"], name


def test_a_node_lists_databases_and_brokers_itself(cluster, healthy):
    for node, group in (("db-1", "dbs"), ("queue-1", "brokers"), ("manager-1", "dbs")):
        done = cluster.on(node, "cfy_manager", group, "list", "--json")

        told = json.loads(done.stdout)
        assert told["verdict"] == "healthy", (node, told)
        assert len(told[group]) == 3, (node, told)


def test_commits_that_hang_are_told_with_their_time(cluster, healthy):
    """Nothing fails then and nothing is logged: only who waits can tell."""
    primary = primary_of(look(cluster)[1])
    sql = "runuser -u postgres -- psql -qAt"
    try:
        cluster.sh(
            primary,
            f'{sql} -c "alter system set synchronous_standby_names = nobody" '
            f'-c "select pg_reload_conf()" >/dev/null\n'
            f'nohup {sql} -c "create table waits_for_nobody ()" >/dev/null 2>&1 &',
        )
        wait_until(
            lambda: "commits-hang" in codes(look(cluster)[1]), "the wait is told", timeout_s=20
        )
        code, status = look(cluster)
    finally:
        cluster.sh(
            primary,
            f'{sql} -c "alter system reset synchronous_standby_names" '
            '-c "select pg_reload_conf()" >/dev/null\n'
            f'for i in $(seq 50); do {sql} -c "drop table waits_for_nobody" && exit; '
            "sleep 0.2; done; exit 1",
        )

    (reason,) = [found for found in status["reasons"] if found["code"] == "commits-hang"]
    assert code == 2
    assert "1 wait, the longest" in reason["what"]
    wait_until(lambda: is_healthy(cluster), "commits end", timeout_s=30)


def test_each_thing_that_is_broken_is_named_where_it_is(broken):
    (code, status), _, at = broken

    where = {(f["code"], f["where"]) for f in (*status["reasons"], *status["remarks"])}

    assert (code, status["verdict"]) == (2, "down")
    assert {
        ("node-unreachable", at["replica"]),
        ("broker-alarm", at["queue"]),
        ("patroni-paused", "database"),
        ("unit-not-running", at["manager"]),
        ("files-changed-by-hand", at["manager"]),
    } <= where


def test_what_works_is_not_told_as_broken(broken):
    (_, status), _, at = broken

    well = {name for name, node in status["nodes"].items() if node["state"] == "ok"}

    assert well == set(status["nodes"]) - set(at.values())


def test_the_lists_end_with_their_verdict(broken):
    _, (databases, brokers), at = broken

    assert databases.returncode == 1, databases.stdout
    assert "dead" in next(line for line in databases.stdout.splitlines() if at["replica"] in line)
    assert brokers.returncode == 2, brokers.stdout
    assert "memory alarm" in brokers.stdout
