import json
from typing import Any

import pytest

from installer.roles.queue import probe
from installer.roles.queue.definitions import definitions

QUEUES = "queues?disable_stats=true"  # statistics tell replicas late
MEMBERS = {"mq-1": "10.0.0.21", "mq-2": "10.0.0.22", "mq-3": "10.0.0.23"}


class Broker:
    """What the management API of a broker would answer, by path."""

    def __init__(self, replies: dict[str, Any]) -> None:
        self.replies = replies

    def get(self, path: str) -> Any:
        return self.replies.get(path)


def _running(*names: str, **further: Any) -> list[dict[str, Any]]:
    return [
        {"name": f"rabbit@{name}", "running": True, "partitions": [], **further} for name in names
    ]


@pytest.fixture
def surroundings(monkeypatch):
    """Return a setter of what the local API answers and which members can be reached."""

    def surround(nodes: list[dict[str, Any]] | None, reachable: set[str]) -> None:
        def api(node: str, user: str) -> Broker:
            if nodes is None:
                raise ConnectionRefusedError("refused")
            return Broker({"nodes": nodes})

        monkeypatch.setattr(probe, "Api", api)
        monkeypatch.setattr(probe, "_reaches", lambda address: address in reachable)

    return surround


def _check(node: str) -> int:
    pairs = [f"{name}={address}" for name, address in MEMBERS.items()]
    return probe.main(["cluster", node, "cloudify", *pairs])


def test_a_cluster_of_all_members_is_healthy():
    assert probe.cluster_problems(_running(*MEMBERS), tuple(MEMBERS)) == []


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        (_running("mq-1", "mq-2"), "rabbit@mq-3 does not run in this cluster"),
        (_running(*MEMBERS, mem_alarm=True), "rabbit@mq-1 has a memory alarm"),
        (_running(*MEMBERS, disk_free_alarm=True), "rabbit@mq-1 has a disk alarm"),
        (_running(*MEMBERS, partitions=["rabbit@mq-2"]), "rabbit@mq-1 is parted from rabbit@mq-2"),
    ],
)
def test_each_trouble_of_the_cluster_is_named(nodes, problem):
    assert problem in probe.cluster_problems(nodes, tuple(MEMBERS))


def test_the_gate_passes_when_all_members_run(surroundings):
    surroundings(_running(*MEMBERS), set(MEMBERS.values()))

    assert _check("mq-2") == 0


def test_a_running_broker_defers_while_another_is_not_there(surroundings):
    surroundings(_running("mq-1"), set())

    assert _check("mq-1") == probe.DEFERRED


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_that_finds_nobody_defers_while_it_searches(surroundings, member):
    surroundings(None, {MEMBERS[member]})

    assert _check(member) == probe.DEFERRED


def test_a_member_whose_broker_does_not_even_search_is_broken(surroundings):
    surroundings(None, set())

    assert _check("mq-1") == 1


def test_a_member_that_is_joining_does_not_defer(surroundings):
    surroundings(None, {MEMBERS["mq-1"]})

    assert _check("mq-3") == 1


def test_a_cluster_that_lacks_a_reachable_member_does_not_defer(surroundings):
    surroundings(_running("mq-1", "mq-2"), set(MEMBERS.values()))

    assert _check("mq-1") == 1


@pytest.fixture
def wanted(queue) -> Any:
    return json.loads(definitions(queue()))


@pytest.fixture
def replies(wanted) -> dict[str, Any]:
    return {
        "users/cloudify": wanted["users"][0],
        "vhosts/%2F": {"name": "/"},
        "permissions/%2F/cloudify": wanted["permissions"][0],
        "policies/%2F/logs": wanted["policies"][0],
    }


def test_a_broker_as_defined_has_no_problems(wanted, replies):
    assert probe.definition_problems(Broker(replies), wanted) == []


@pytest.mark.parametrize(
    ("path", "reply", "problem"),
    [
        ("users/cloudify", None, "user cloudify differs"),
        (
            "users/cloudify",
            {"password_hash": "other"},
            "user cloudify differs",
        ),
        ("vhosts/%2F", None, "virtual host / differs"),
        (
            "permissions/%2F/cloudify",
            {"configure": ""},
            "permission of cloudify differs",
        ),
        ("policies/%2F/logs", None, "policy logs differs"),
        ("users/guest", {"name": "guest"}, "user guest exists"),
    ],
)
def test_each_difference_from_the_definitions_is_named(wanted, replies, path, reply, problem):
    (found,) = probe.definition_problems(Broker(replies | {path: reply}), wanted)

    assert problem in found


def test_a_host_without_a_broker_fails_the_guard_quietly(tmp_path, capsys):
    assert probe.main(["definitions", "mq-1", "cloudify", str(tmp_path / "none.json")]) == 1
    assert "No such file" in capsys.readouterr().out


def _queue(name: str, *members: str, kind: str = "quorum") -> dict[str, Any]:
    return {
        "name": name,
        "vhost": "/",
        "type": kind,
        "members": [f"rabbit@{member}" for member in members],
    }


@pytest.mark.parametrize(
    ("queue", "wanted"),
    [
        (_queue("q", "mq-1", "mq-2", "mq-3"), {}),
        (_queue("q", "mq-1", "mq-2"), {("/", "rabbit@mq-3"): ["q"]}),
        (
            _queue("q", "mq-1"),
            {("/", "rabbit@mq-2"): ["q"], ("/", "rabbit@mq-3"): ["q"]},
        ),
        (_queue("q", "mq-1", kind="stream"), {}),
    ],
    ids=["whole", "one lacks", "two lack", "no quorum queue"],
)
def test_a_queue_gets_replicas_where_it_has_none(queue, wanted):
    api = Broker({"nodes": _running(*MEMBERS), QUEUES: [queue]})

    assert dict(probe.lacking(api, 3)) == wanted


def test_a_broker_that_is_down_gets_no_replica():
    down = {"name": "rabbit@mq-3", "running": False}
    api = Broker({"nodes": [*_running("mq-1", "mq-2"), down], QUEUES: [_queue("q", "mq-1")]})

    assert set(probe.lacking(api, 3)) == {("/", "rabbit@mq-2")}


def test_replicas_are_spread_over_the_brokers():
    five = [f"mq-{n}" for n in range(1, 6)]
    queues = [_queue(f"q{n}", "mq-1", "mq-2") for n in range(3)]
    api = Broker({"nodes": _running(*five), QUEUES: queues})

    found = probe.lacking(api, 3)

    assert {broker: len(names) for (_, broker), names in found.items()} == {
        "rabbit@mq-3": 1,
        "rabbit@mq-4": 1,
        "rabbit@mq-5": 1,
    }
