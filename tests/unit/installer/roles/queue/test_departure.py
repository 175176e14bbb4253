import subprocess

import pytest

from installer.roles.queue import probe
from installer.roles.queue.departure import drain_broker, forget_address, forget_broker
from installer.roles.queue.settings import Member


class Broker:
    """What the management API would answer, by path."""

    def __init__(self, replies):
        self.replies = replies

    def get(self, path):
        return self.replies.get(path)


@pytest.fixture
def api(monkeypatch):
    def answer(replies):
        monkeypatch.setattr(probe, "Api", lambda node, user: Broker(replies))

    return answer


def test_a_broker_that_does_not_run_has_nothing_to_leave(queue):
    step = drain_broker(queue())

    assert step.guard.startswith("! systemctl is-active --quiet rabbitmq-server.service || {")
    assert "emptied mq-2 cloudify mq-2 <<" in step.guard
    assert "exec python3" not in step.guard


def test_a_broker_is_marked_as_drained_before_it_leaves_its_queues(queue):
    """Else the others give it replicas again as soon as anybody makes a queue."""
    script = drain_broker(queue()).script

    assert script.index("mark_as_being_drained()") < script.index("shrink rabbit@mq-2")


@pytest.fixture
def carry_out(tmp_path):
    """Run a step's script on tools that only note they were called; a queue refuses some times."""

    def run(step, refusals):
        calls = tmp_path / "calls"
        calls.touch()
        _command(tmp_path / "rabbitmqctl", f'case $* in *forget*) echo "$2" >>{calls};; esac')
        _command(tmp_path / "rabbitmq-queues", f'echo "$2" >>{calls}')
        _command(tmp_path / "python3", f"[ $(wc -l <{calls}) -gt {refusals} ]")
        path = f"{tmp_path}:/usr/bin:/bin"
        done = subprocess.run(["sh", "-euc", step.script], env={"PATH": path}, check=False)
        return done.returncode, calls.read_text().split()

    return run


@pytest.mark.parametrize(("refusals", "tries"), [(0, 1), (1, 2), (5, 3)])
def test_a_queue_that_refuses_to_move_is_asked_again(queue, carry_out, refusals, tries):
    """So many times the probe finds it still there; the step's guard tells of what stays."""
    code, calls = carry_out(drain_broker(queue()), refusals)

    assert (code, calls) == (0, ["shrink"] * tries)


@pytest.mark.parametrize(
    ("refusals", "code", "calls"),
    [
        (0, 0, ["shrink", "forget_cluster_node"]),
        (2, 0, ["shrink", "shrink", "shrink", "forget_cluster_node"]),
        (5, 1, ["shrink", "shrink", "shrink"]),
    ],
)
def test_no_member_is_forgotten_that_a_queue_counts_on(queue, carry_out, refusals, code, calls):
    step = forget_broker(queue(), Member(name="mq-3", address="10.0.0.23"))

    assert carry_out(step, refusals) == (code, calls)


def _command(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


def test_no_queue_waits_for_a_host_that_is_dead(queue):
    """To shrink one took 7 s, and there is one for each agent."""
    script = forget_broker(queue(), Member(name="mq-3", address="10.0.0.23")).script

    nowhere = 'inet_db:del_host({10,0,0,23}), inet_db:add_host({255,255,255,255}, ["mq-3"]).'
    assert script.index(nowhere) < script.index("shrink rabbit@mq-3")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("10.0.0.23", "inet_db:del_host({10,0,0,23}), inet_db:del_host({255,255,255,255})."),
        ("mq-3.example.com", "'ok, inet_db:del_host({255,255,255,255}).'"),
    ],
)
def test_the_address_of_one_that_left_is_forgotten(address, told):
    assert told in forget_address(Member(name="mq-3", address=address))


def test_a_broker_is_empty_when_no_queue_has_a_replica_there(api):
    queue = {"name": "q", "members": ["rabbit@mq-1", "rabbit@mq-2"]}
    api({"queues?disable_stats=true": [queue]})

    assert probe.main(["emptied", "mq-1", "cloudify", "mq-2"]) == 1
    assert probe.main(["emptied", "mq-1", "cloudify", "mq-3"]) == 0


def test_a_broker_is_forgotten_when_no_member_has_its_name(api):
    api({"nodes": [{"name": "rabbit@mq-1"}, {"name": "rabbit@mq-3", "running": False}]})

    assert probe.main(["forgotten", "mq-1", "cloudify", "mq-3"]) == 1
    assert probe.main(["forgotten", "mq-1", "cloudify", "mq-2"]) == 0
