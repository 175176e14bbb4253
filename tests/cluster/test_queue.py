"""What the brokers promise: nobody without the right secrets, and no confirmed message lost."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from installer.roles.queue.state import queue_probe
from tests.support.cluster import wait_until

pytestmark = pytest.mark.cluster

LEDGER = Path(__file__).parents[1] / "support" / "queue_ledger.py"
USER = "cloudify"
LOGIN_S = 0.5  # the ledger publishes for this long when only its login matters
PUBLISH_S = 20
LASTING = "cloudify.management_operation"  # the queue whose statistics tell its replicas
# pika notices a silent broker after two heartbeats of 4 s; a quorum queue elects in a few more
LONGEST_GAP_S = 20


def _ledger(cluster, seconds, hosts, password, **options):
    addresses = [cluster.address(host) for host in hosts]
    words = (sys.executable, LEDGER, str(seconds), cluster.ca, USER, *addresses)
    return cluster.beside(*words, input=password, timeout_s=180, **options)


def _running_brokers(cluster, node):
    words = "rabbitmqctl --silent eval 'rabbit_nodes:list_running().'"
    return cluster.sh(node, words, timeout_s=60).count("rabbit@")


def test_no_confirmed_message_is_lost_with_the_broker_that_leads_its_queue(cluster):
    brokers = cluster.having("queue")
    password = cluster.secrets["rabbitmq_password"]

    with ThreadPoolExecutor() as pool:
        running = pool.submit(_ledger, cluster, PUBLISH_S, brokers, password)
        wait_until(lambda: _has_ledger(cluster, brokers[1]), "messages flow", timeout_s=20)
        cluster.fail("power-off", brokers[0])
        ledger = json.loads(running.result().stdout.splitlines()[-1])
    cluster.heal(brokers[0])

    assert ledger["lost"] == []
    assert ledger["confirmed"] > 0
    assert ledger["longest_gap_s"] < LONGEST_GAP_S
    wait_until(
        lambda: _running_brokers(cluster, brokers[1]) == len(brokers),
        "the broker is back in its cluster",
        timeout_s=90,
    )


def _has_ledger(cluster, node):
    listed = cluster.sh(node, "rabbitmqctl --silent list_queues name type messages", timeout_s=60)
    rows = [line.split() for line in listed.splitlines() if line.startswith("ledger-")]
    return any(kind == "quorum" and int(messages) for _, kind, messages in rows)


def test_replicas_are_told_as_they_are_at_once(cluster):
    """RabbitMQ's statistics tell them seconds late: what had left a broker seemed to be there."""
    first, *_, last = cluster.having("queue")
    _tell(cluster, last, "rabbit_maintenance:mark_as_being_drained().")  # gets none back meanwhile
    try:
        without = _after(cluster, first, f"delete_member {LASTING} rabbit@{last}")
        again = _after(cluster, first, f"add_member {LASTING} rabbit@{last}")
    finally:
        _tell(cluster, last, "rabbit_maintenance:unmark_as_being_drained().")

    assert (without.returncode, LASTING in without.stdout) == (1, True)
    assert (again.stderr, LASTING in again.stdout) == ("", False)


def _tell(cluster, node, code):
    cluster.on(node, "rabbitmqctl", "--silent", "eval", code, timeout_s=60)


def _after(cluster, node, change):
    """Change a queue's replicas, then ask at once which queues lack one."""
    asked = f"rabbitmq-queues --quiet {change} >&2\n{queue_probe('replicas', node, USER, 3)}"
    script = f"read -r BROKER_PASSWORD; export BROKER_PASSWORD\n{asked}"
    password = cluster.secrets["rabbitmq_password"] + "\n"
    return cluster.on(node, "sh", "-euc", script, input=password, timeout_s=60, check=False)


def test_a_client_with_another_password_is_refused(cluster):
    done = _ledger(cluster, LOGIN_S, cluster.having("queue")[:2], "not-the-password", check=False)

    assert done.returncode != 0
    assert "ProbableAuthenticationError" in done.stderr


def test_clients_meet_only_tls(cluster):
    broker = cluster.address(cluster.having("queue")[0])
    plain = (
        f"exec 3<>/dev/tcp/{broker}/5671; printf 'AMQP\\0\\0\\11\\1' >&3; timeout 5 head -c 4 <&3"
    )

    answer = cluster.beside("bash", "-c", plain, check=False).stdout
    closed = cluster.beside("bash", "-c", f"exec 3<>/dev/tcp/{broker}/5672", check=False)

    assert "AMQP" not in answer
    assert closed.returncode != 0


def _spoken(cluster, words):
    return cluster.beside("bash", "-c", words, check=False)


def test_a_broker_without_a_certificate_is_refused_by_the_others(cluster):
    broker = cluster.address(cluster.having("queue")[0])
    # TLS 1.2, because its client learns of the refusal within the handshake
    words = ("openssl", "s_client", "-tls1_2", "-CAfile", cluster.ca, "-connect", f"{broker}:25672")

    done = cluster.beside(*words, check=False, input="")

    assert done.returncode != 0
    assert "alert" in done.stderr
