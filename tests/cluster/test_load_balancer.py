"""What the load balancer promises: a manager that dies costs no request that may be repeated."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cluster import wait_until
from tests.support.losses import leader, sql

pytestmark = pytest.mark.cluster

LOAD = Path(__file__).parents[1] / "support" / "http_load.py"
LOAD_S = 25
# a dead connection is noticed after 6 s, a dead address after 4 s; the rest is the machine's
LONGEST_ANSWER_S = 15
SESSIONS_END_S = 60  # the database lets go after 20 s, of which the load takes some
DEAD_MS = 6000  # so long the data of a request may stand unacknowledged
# asks HAProxy's own sockets, as its configuration may be taken and not applied
TIMEOUTS = """
import ctypes, os, socket, subprocess
take = ctypes.CDLL(None).syscall
for pid in map(int, subprocess.check_output(["pidof", "haproxy"]).split()):
    held = os.pidfd_open(pid)
    for descriptor in map(int, os.listdir(f"/proc/{pid}/fd")):
        if not os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith("socket:"):
            continue
        own = socket.socket(fileno=take(438, held, descriptor, 0))  # pidfd_getfd(2)
        try:
            port = own.getpeername()[1] if own.family == socket.AF_INET else 0
        except OSError:  # it listens
            continue
        if port == 443:
            print(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
"""


@pytest.fixture(scope="module")
def loss(cluster):
    """Return what clients and the database saw of a manager that lost its power, under load."""
    balancer = cluster.address(cluster.having("loadbalancer")[0])
    words = (sys.executable, LOAD, str(LOAD_S), cluster.ca, balancer, "/api/v3.1/status")

    with ThreadPoolExecutor() as pool:
        running = pool.submit(cluster.beside, *words)
        victim = _busiest(cluster)
        before = _sessions(cluster, victim)
        cluster.fail("power-off", victim)
        load = json.loads(running.result().stdout.splitlines()[-1])
    try:
        wait_until(
            lambda: not _sessions(cluster, victim), "its sessions end", timeout_s=SESSIONS_END_S
        )
    finally:
        cluster.heal(victim)
    return {**load, "victim": victim, "sessions": before}


def test_no_request_fails_when_the_manager_that_serves_it_loses_power(loss):
    assert list(loss["answers"]) == ["401"]
    assert loss["longest_s"] < LONGEST_ANSWER_S


def test_what_it_had_locked_in_the_database_is_free(loss):
    """Executions waited for its locks, and some losses later nobody could connect."""
    assert loss["sessions"] > 0


def test_it_serves_again_once_it_has_power(cluster, loss):
    wait_until(lambda: _state(cluster, loss["victim"]).startswith("UP"), "it is back", timeout_s=90)


def test_a_request_that_nobody_acknowledges_is_given_up(cluster):
    balancer = cluster.having("loadbalancer")[0]
    words = (sys.executable, LOAD, "1", cluster.ca, cluster.address(balancer), "/api/v3.1/status")
    cluster.beside(*words)  # what it opens stays in HAProxy's pool for some seconds

    found = cluster.on(balancer, "python3", "-c", TIMEOUTS).stdout.split()

    assert found, "HAProxy has no connection to a manager"
    assert set(map(int, found)) == {DEAD_MS}


def _sessions(cluster, manager):
    query = (
        f"SELECT count(*) FROM pg_stat_activity WHERE client_addr = '{cluster.address(manager)}'"
    )
    return int(sql(cluster, leader(cluster), query))


def _busiest(cluster):
    """Return the manager to which the load sticks, once there is load."""
    before = _served(cluster)

    def new():
        return {name: count - before[name] for name, count in _served(cluster).items()}

    wait_until(lambda: max(new().values()) > 20, "the load reaches a manager", timeout_s=20)
    found = new()
    return max(found, key=found.__getitem__)


def _served(cluster):
    return {row["svname"]: int(row["stot"] or 0) for row in _servers(cluster)}


def _state(cluster, manager):
    return next(row["status"] for row in _servers(cluster) if row["svname"] == manager)


def _servers(cluster):
    script = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/stats.sock');"
        "s.sendall(b'show stat\\n'); print(s.makefile().read())"
    )
    table = cluster.on(cluster.having("loadbalancer")[0], "python3", "-c", script).stdout
    head, *rows = [line.split(",") for line in table.lstrip("# ").splitlines() if line.strip()]
    found = [dict(zip(head, row, strict=False)) for row in rows]
    return [row for row in found if row["pxname"] == "clients" and row["svname"].islower()]
