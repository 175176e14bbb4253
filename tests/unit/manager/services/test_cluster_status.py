"""The rules by which reports become the state of the cluster."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from manager.services.cluster_model import ClusterService, Node, NodeType, Report
from manager.services.cluster_status import cluster_status, service_status

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def node(number):
    address = f"10.0.0.{number}"
    return Node(name=f"node-{number}", private_ip=address, public_ip=address, version="7.0.5")


def report(number, *, age_s=1.0, is_ok=True, **facts):
    status = "Active" if is_ok else "Inactive"
    return Report(
        private_ip=f"10.0.0.{number}",
        received_at=NOW - timedelta(seconds=age_s),
        frequency_s=5,
        is_ok=is_ok,
        services={"Service": {"status": status, "extra_info": facts}},
    )


def service(node_type, size, *reports, is_external=False):
    return ClusterService(
        type=node_type,
        nodes=[node(number) for number in range(1, size + 1)],
        reports={report.private_ip: report for report in reports},
        is_external=is_external,
    )


def broker(number, sees, **view):
    facts = {
        "name": f"rabbit@{number}",
        "running": True,
        "running_nodes": [f"rabbit@{peer}" for peer in sees],
        **view,
    }
    return report(number, node_status=facts)


def primary(number, *replicas, timeline=1, **further):
    state = {"role": "primary", "timeline": timeline, "replication": list(replicas), **further}
    return report(number, patroni_status=state)


def replica(number):
    return report(number, patroni_status={"role": "replica", "timeline": 1})


def streams(sync_state="sync"):
    return {"state": "streaming", "sync_state": sync_state}


@pytest.mark.parametrize(
    ("node_type", "size", "healthy", "status"),
    [
        (NodeType.BROKER, 3, 3, "OK"),
        (NodeType.BROKER, 3, 2, "Degraded"),
        (NodeType.BROKER, 3, 1, "Fail"),
        (NodeType.BROKER, 1, 1, "OK"),
        (NodeType.BROKER, 1, 0, "Fail"),
        (NodeType.MANAGER, 3, 3, "OK"),
        (NodeType.MANAGER, 3, 1, "Degraded"),
        (NodeType.MANAGER, 3, 0, "Fail"),
        (NodeType.MANAGER, 0, 0, "OK"),
        (NodeType.DB, 1, 1, "OK"),
        (NodeType.DB, 1, 0, "Fail"),
        (NodeType.DB, 3, 1, "Fail"),
    ],
)
def test_a_service_needs_its_quorum(node_type, size, healthy, status):
    reports = [report(number) for number in range(1, healthy + 1)]

    assert service_status(service(node_type, size, *reports), NOW)["status"] == status


@pytest.mark.parametrize(
    ("age_s", "status"), [(0, "OK"), (10, "OK"), (10.1, "Fail"), (86400, "Fail")]
)
def test_a_report_is_stale_after_twice_its_period(age_s, status):
    judged = service_status(service(NodeType.BROKER, 1, report(1, age_s=age_s)), NOW)

    assert judged["nodes"]["node-1"]["status"] == status


def test_a_stale_node_shows_no_services_and_says_since_when():
    judged = service_status(service(NodeType.BROKER, 1, report(1, age_s=23)), NOW)

    entry = judged["nodes"]["node-1"]
    assert entry["services"] == {}
    assert entry["metrics"] == []
    assert entry["failures"] == [
        "No services.",
        "The last report is 23 s old; one is due every 5 s",
    ]


def test_a_node_that_never_reported_fails():
    judged = service_status(service(NodeType.MANAGER, 1), NOW)

    assert judged["nodes"]["node-1"]["failures"][0] == "No services."
    assert judged["status"] == "Fail"


def test_a_service_that_is_down_fails_its_node_by_name():
    judged = service_status(service(NodeType.BROKER, 1, report(1, is_ok=False)), NOW)

    assert judged["nodes"]["node-1"]["failures"] == ["Service Service is not active"]


def test_a_node_that_calls_itself_failed_is_believed():
    """The database reporter sees more than units, for instance that etcd is unhealthy."""
    failed = replace(report(1), is_ok=False)

    judged = service_status(service(NodeType.BROKER, 1, failed), NOW)

    assert judged["nodes"]["node-1"]["failures"] == ["The node reports a failure"]


def test_an_external_service_has_no_nodes_to_judge():
    judged = service_status(service(NodeType.DB, 1, is_external=True), NOW)

    assert judged == {"is_external": True, "status": "OK"}


def test_brokers_that_see_one_another_are_well():
    brokers = [broker(number, (1, 2, 3)) for number in (1, 2, 3)]

    assert service_status(service(NodeType.BROKER, 3, *brokers), NOW)["status"] == "OK"


def test_a_partitioned_cluster_of_brokers_fails():
    brokers = [broker(1, (1,)), broker(2, (2, 3)), broker(3, (2, 3))]

    judged = service_status(service(NodeType.BROKER, 3, *brokers), NOW)

    assert judged["status"] == "Fail"
    failures = judged["nodes"]["node-1"]["failures"]
    assert "RabbitMQ does not see rabbit@2 in its cluster" in failures


def test_a_view_older_than_the_peers_report_is_no_disagreement():
    """A broker that has just joined must not make the cluster fail until all reported again."""
    old = replace(broker(1, (1,)), received_at=NOW - timedelta(seconds=4))

    judged = service_status(service(NodeType.BROKER, 2, old, broker(2, (1, 2))), NOW)

    assert judged["status"] == "OK"


def test_a_silent_broker_is_nobodys_disagreement():
    """Whether the others noticed yet that it is gone is not a partition among them."""
    brokers = [broker(1, (1, 2, 3)), broker(2, (1, 2))]

    assert service_status(service(NodeType.BROKER, 3, *brokers), NOW)["status"] == "Degraded"


@pytest.mark.parametrize(
    "view", [{"alarms": ["disk_free_alarm"]}, {"partitions": ["rabbit@2"]}, {"running": False}]
)
def test_a_broker_in_trouble_fails(view):
    judged = service_status(service(NodeType.BROKER, 1, broker(1, (1,), **view)), NOW)

    assert judged["status"] == "Fail"


@pytest.mark.parametrize(
    ("replicas", "further", "status"),
    [
        ((streams(), streams("async")), {}, "OK"),
        ((streams("quorum"), streams("quorum")), {}, "OK"),
        ((streams("async"), streams("async")), {}, "Fail"),
        ((streams("async"), streams("async")), {"synchronous_mode": False}, "OK"),
        ((), {}, "Fail"),
        ((streams(),), {}, "Degraded"),
        ((streams(), {"state": "startup", "sync_state": "async"}), {}, "Degraded"),
        ((streams(), streams()), {"cluster": {"members": [{"lag": 2**25}]}}, "Degraded"),
        ((streams(), streams()), {"cluster": {"members": [{"lag": "unknown"}]}}, "Degraded"),
        ((streams(), streams()), {"cluster": {"members": [{"role": "leader"}]}}, "OK"),
    ],
)
def test_a_database_needs_a_replica_that_loses_nothing(replicas, further, status):
    reports = (primary(1, *replicas, **further), replica(2), replica(3))

    assert service_status(service(NodeType.DB, 3, *reports), NOW)["status"] == status


def test_a_database_without_a_primary_fails():
    reports = [replica(number) for number in (1, 2, 3)]

    assert service_status(service(NodeType.DB, 3, *reports), NOW)["status"] == "Fail"


def test_after_a_switchover_the_newer_timeline_is_believed():
    """For a moment the old primary's last report is as fresh as the new one's first."""
    reports = (
        primary(1, timeline=1),
        primary(2, streams(), streams(), timeline=2),
        replica(3),
    )

    assert service_status(service(NodeType.DB, 3, *reports), NOW)["status"] == "OK"


def test_a_database_that_lost_a_replica_is_degraded():
    reports = (primary(1, streams()), replica(2))

    assert service_status(service(NodeType.DB, 3, *reports), NOW)["status"] == "Degraded"


@pytest.mark.parametrize(
    ("brokers", "status"), [((1, 2, 3), "OK"), ((1, 2), "Degraded"), ((), "Fail")]
)
def test_the_cluster_is_as_well_as_its_worst_service(brokers, status):
    services = [
        service(NodeType.MANAGER, 1, report(1)),
        service(NodeType.BROKER, 3, *(report(number) for number in brokers)),
    ]

    assert cluster_status(services, NOW)["status"] == status


def test_a_metric_tells_when_the_node_was_last_heard_of():
    judged = service_status(service(NodeType.BROKER, 1, report(1, age_s=1)), NOW)

    (metric,) = judged["nodes"]["node-1"]["metrics"]
    assert metric["last_check"] == "2026-11-20T11:59:59.000Z"
    assert metric["healthy"] is True
