"""Words of a status, and how nodes are asked: every node at once, what is late is told as late."""

import json
import time

import pytest

from installer.engine.agent import LocalStream
from installer.engine.openssh import local_line, ssh_line
from installer.engine.target import Target
from installer.errors import Problem
from installer.secrets import Secret
from installer.status.collect import Watcher
from installer.status.facts import node_facts
from installer.status.model import NodeStatus, ServiceStatus, State, worst_state
from installer.status.request import BROKERS, HAPROXY, PATRONI, REST, SQL, node_request
from installer.status.words import bytes_words, seconds_words
from tests.unit.installer.status.world import inventory


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([State.OK, State.UNKNOWN], State.UNKNOWN),
        ([State.UNKNOWN, State.DEGRADED], State.DEGRADED),
        ([State.DOWN, State.UNKNOWN, State.OK], State.DOWN),
        ([], State.UNKNOWN),
    ],
)
def test_a_node_is_as_its_worst_service(states, worst):
    services = {str(n): ServiceStatus(state=state) for n, state in enumerate(states)}

    assert worst_state(states) is worst
    assert NodeStatus(name="n", services=services).state is worst


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (2048, "2 KiB"), (5 * 1024**2, "5 MiB"), (3 * 1024**3, "3.0 GiB")],
)
def test_sizes_have_the_unit_that_suits_them(count, words):
    assert bytes_words(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "200 ms"), (8, "8 s"), (600, "10 min"), (9000, "2 h")]
)
def test_times_have_the_unit_that_suits_them(seconds, words):
    assert seconds_words(seconds) == words


PLAIN = "exec python3 -I -S -c " + local_line().split(" -c ", 1)[1]  # without sudo


def request_of(name):
    cluster = inventory()
    return node_request(cluster, cluster.node(name), {"rabbitmq_password": Secret("p")}, 10)


def test_each_node_is_asked_what_its_roles_are():
    asked = {
        name: {
            *request_of(name)["gets"],
            *(entry[0] for entry in request_of(name).get("sql", ())),
            *(entry[0] for entry in request_of(name).get("sockets", ())),
        }
        for name in ("db-1", "queue-1", "manager-1", "lb-1")
    }

    assert {PATRONI, SQL} <= asked["db-1"]
    assert asked["queue-1"] == {BROKERS}
    assert REST in asked["manager-1"]
    assert asked["lb-1"] == {HAPROXY}


def reply(**changes):
    return {"time": 100.0, "answers": {}, **changes}


@pytest.mark.parametrize(
    ("sent", "came", "offset"), [(99, 101, 0), (103, 104, -3), (90, 95, 5), (100, 100, 0)]
)
def test_a_clock_is_wrong_only_by_what_is_certain(sent, came, offset):
    """A slow answer says nothing of the clock."""
    assert node_facts("n", reply(), (sent, came)).clock_offset_s == offset


def test_units_are_read_in_whatever_order_systemd_tells_them():
    shown = (
        "Result=success\nId=a.service\nActiveState=active\nSubState=running\n\n"
        "Id=b.service\nActiveState=failed\nSubState=failed\nResult=exit-code\n"
    )

    units = node_facts("n", reply(units=shown), (0, 200)).units

    assert units["a.service"].is_running
    assert (units["b.service"].is_running, units["b.service"].result) == (False, "exit-code")


def watched(line, timeout_s=10):
    """Ask two nodes; `line` is the shell line in place of each login."""
    cluster = inventory()
    nodes = (cluster.node("queue-1"), cluster.node("lb-1"))
    return Watcher(cluster, nodes, timeout_s=timeout_s, open_=lambda _: LocalStream(line))


def test_a_refused_login_is_told_with_its_words():
    with watched("echo 'Permission denied (publickey).'; exit 255") as watcher:
        facts = watcher.facts()

    assert facts.nodes == {}
    assert "Permission denied (publickey)." in facts.silent["lb-1"].what
    assert facts.silent["lb-1"].code == "node-unreachable"


def test_a_late_node_is_given_up_in_time_and_its_login_ended():
    began = time.monotonic()

    with watched("exec sleep 60", timeout_s=1) as watcher:
        facts = watcher.facts()

    assert set(facts.silent) == {"queue-1", "lb-1"}
    assert "no answer within 1 s" in facts.silent["lb-1"].what
    assert time.monotonic() - began < 5


def test_a_node_that_was_late_is_asked_anew_at_the_next_look():
    lines = iter(["exec sleep 60", "echo 'Connection refused'; exit 255"])
    cluster = inventory()
    nodes = [cluster.node("lb-1")]

    with Watcher(cluster, nodes, timeout_s=1, open_=lambda _: LocalStream(next(lines))) as watcher:
        looks = [watcher.facts().silent["lb-1"].what for _ in range(2)]

    assert "no answer within 1 s" in looks[0]
    assert "Connection refused" in looks[1]


def test_a_line_that_broke_since_the_last_look_is_opened_again():
    opened: list[LocalStream] = []

    def open_(target: Target) -> LocalStream:
        opened.append(LocalStream(PLAIN))
        return opened[-1]

    cluster = inventory()
    with Watcher(cluster, [cluster.node("lb-1")], open_=open_) as watcher:
        watcher.facts()
        opened[0].kill()
        opened[0]._process.wait()

        again = watcher.facts()

    assert again.silent == {}
    assert len(opened) == 2


def test_a_host_without_our_files_answers_and_is_asked_again_on_the_same_line():
    opened = []

    def open_(target: Target) -> LocalStream:
        opened.append(target.name)
        return LocalStream(PLAIN)

    cluster = inventory()
    with Watcher(cluster, [cluster.node("lb-1")], timeout_s=10, open_=open_) as watcher:
        first, second = watcher.facts(), watcher.facts()

    for facts in (first, second):
        told = facts.nodes.get("lb-1") or facts.silent["lb-1"]
        assert not isinstance(told, Problem), told
        assert told.answer(HAPROXY).fault == "No such file or directory"
    assert opened == ["lb-1"]


def test_a_login_uses_nothing_of_the_operators_own_ssh_configuration():
    target = Target("n", "10.0.0.1", user="deploy", port=2222, private_key="/k", known_hosts="/h")

    line = ssh_line(target)

    for words in ("-F /dev/null", "-p 2222", "-l deploy", "-i /k", "StrictHostKeyChecking=yes"):
        assert words in line
    assert "UserKnownHostsFile=/h" in line
    assert "sudo -n" in line


def test_the_password_of_the_brokers_goes_by_stdin_only():
    told = json.dumps(request_of("queue-1"))

    assert "Basic" in told
    assert "Basic" not in ssh_line(Target("queue-1", "10.77.0.14"))
