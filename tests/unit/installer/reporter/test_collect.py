import pytest
import requests

from installer.reporter import collect
from installer.reporter.settings import NodeType, ReporterSettings
from installer.reporter.units import _properties, _service
from installer.secrets import Secret

ACTIVE = {"Id": "x.service", "Description": "X", "ActiveState": "active", "SubState": "running"}


def settings(kind, **extra):
    return ReporterSettings(
        tokens={kind: Secret("t")},
        node_name="n",
        private_ip="10.0.0.1",
        node_id="id",
        managers_ips=(),
        ca_path="/ca",
        extra_config={"broker_node": "rabbit@mq-1", "broker_username": "u", "broker_password": "p"}
        | extra,
    )


@pytest.fixture
def node(monkeypatch):
    """A node whose units are all active and whose services answer what the test says."""

    def answers(replies):
        def get(_, url, **__):
            path = url.split("/", 3)[3]
            if path not in replies:
                raise requests.ConnectionError("refused")
            if isinstance(replies[path], Exception):
                raise replies[path]
            return replies[path]

        monkeypatch.setattr(collect, "_get", get)

    def services(units):
        return {name: _service(name, unit, ACTIVE) for name, unit in units.items()}

    monkeypatch.setattr(collect, "unit_services", services)
    monkeypatch.setattr(collect, "_good", {})
    return answers


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose one item is the time."""
    now = [100.0]
    monkeypatch.setattr(collect.time, "monotonic", lambda: now[0])
    return now


def broker_status(node, replies):
    node(replies)
    return collect.collect_report(settings(NodeType.BROKER), NodeType.BROKER)["status"]


HEALTHY_DB = {
    "health": {"health": "true"},
    "patroni": {"state": "running", "role": "primary"},
    "cluster": {"members": []},
    "config": {"synchronous_mode": True},
}
BROKER = {"name": "rabbit@mq-1", "running": True, "partitions": []}


def test_a_database_node_that_answers_is_ok_and_tells_what_it_knows(node):
    node(HEALTHY_DB)

    report = collect.collect_report(settings(NodeType.DB), NodeType.DB)

    assert report["status"] == "OK"
    facts = report["services"]["Patroni"]["extra_info"]["patroni_status"]
    assert facts == {
        "state": "running",
        "role": "primary",
        "cluster": {"members": []},
        "synchronous_mode": True,
    }


@pytest.mark.parametrize(("config", "mode"), [({}, False), ({"synchronous_mode": "quorum"}, True)])
def test_the_manager_learns_whether_replication_is_meant_to_be_synchronous(node, config, mode):
    """Without the mode, asynchronous replicas would look like a cluster that lost its standby."""
    node(HEALTHY_DB | {"config": config})

    report = collect.collect_report(settings(NodeType.DB), NodeType.DB)

    facts = report["services"]["Patroni"]["extra_info"]["patroni_status"]
    assert facts["synchronous_mode"] is mode


@pytest.mark.parametrize(
    "change",
    [{"health": {"health": "false"}}, {"patroni": {"state": "starting"}}],
)
def test_a_database_node_that_is_unwell_says_so(node, change):
    node(HEALTHY_DB | change)

    assert collect.collect_report(settings(NodeType.DB), NodeType.DB)["status"] == "Fail"


def test_a_service_that_does_not_answer_is_reported_with_the_reason(node):
    node({})

    report = collect.collect_report(settings(NodeType.DB), NodeType.DB)

    assert report["status"] == "Fail"
    assert "refused" in report["services"]["etcd"]["extra_info"]["etcd_health"]["error"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "OK"),
        ({"mem_alarm": True}, "Fail"),
        ({"disk_free_alarm": True}, "Fail"),
        ({"partitions": ["rabbit@mq-2"]}, "Fail"),
        ({"running": False}, "Fail"),
        ({"name": "rabbit@other"}, "Fail"),
    ],
)
def test_a_broker_is_ok_without_alarms_and_partitions(node, change, status):
    node({"api/nodes": [BROKER | change]})

    assert collect.collect_report(settings(NodeType.BROKER), NodeType.BROKER)["status"] == status


def test_systemctl_output_is_read_as_properties():
    assert _properties("Id=a.service\nDescription=A = B") == {
        "Id": "a.service",
        "Description": "A = B",
    }


def test_an_inactive_unit_is_stopped():
    service = _service("X", "x.service", ACTIVE | {"ActiveState": "failed", "SubState": "failed"})

    assert service["status"] == "Inactive"
    assert service["extra_info"]["systemd"]["instances"][0]["state"] == "stopped"


def test_one_answer_that_is_late_does_not_make_a_broker_fail(node, clock):
    """A busy host answers after more than the reporter's 4 s now and then."""
    told = [broker_status(node, {"api/nodes": [BROKER]})]
    for clock[0] in (109.0, 114.0):
        told.append(broker_status(node, {"api/nodes": requests.ReadTimeout("4 s")}))

    assert told == ["OK", "OK", "Fail"]


def test_a_broker_that_refuses_connections_fails_at_once(node, clock):
    told = [broker_status(node, {"api/nodes": [BROKER]})]
    clock[0] = 101.0
    told.append(broker_status(node, {}))

    assert told == ["OK", "Fail"]


def test_after_a_late_answer_the_next_question_has_less_time(node, clock, monkeypatch):
    """A broker that hangs must be told within 15 s of its last good answer."""
    limits = []
    broker_status(node, {"api/nodes": [BROKER]})

    def hang(settings, url, **_):
        limits.append(settings.request_timeout)
        raise requests.ReadTimeout

    monkeypatch.setattr(collect, "_get", hang)

    for clock[0] in (105.0, 110.0, 130.0):
        collect.collect_report(settings(NodeType.BROKER), NodeType.BROKER)

    assert limits == [4, 2, 4]
