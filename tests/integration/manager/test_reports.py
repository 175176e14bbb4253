"""Reports: who may send them, which are taken, and what the cluster's status makes of them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from manager.storage.models import NodeReport

pytestmark = pytest.mark.integration

NODE_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
ADDRESSES = {
    "manager": ["10.0.0.31"],
    "broker": ["127.0.1.1", "127.0.1.2", "127.0.1.3"],
    "db": ["127.0.0.1"],
}


def body(address, *, at=None, status="OK"):
    at = at or datetime.now(UTC)
    service = {"status": "Active" if status == "OK" else "Inactive", "extra_info": {}}
    return {
        "reporting_freq": 5,
        "timestamp": at.strftime("%Y%m%d%H%M%S+0000"),
        "report": {"status": status, "services": {"Service": service}},
        "node": {"name": "node", "private_ip": address},
    }


def send(api, tokens, kind, report, *, sender=None):
    client = api.with_token(tokens[sender or kind], "API-Authentication-Token")
    return client.call("PUT", f"/cluster-status/{kind}/{NODE_ID}", json=report)


@pytest.fixture
def healthy(api, tokens):
    for kind, addresses in ADDRESSES.items():
        for address in addresses:
            assert send(api, tokens, kind, body(address)).status_code == 200


@pytest.mark.usefixtures("healthy")
def test_a_cluster_whose_nodes_all_report_is_ok(api):
    status = api.get("/cluster-status", query_string={"summary": "False"})

    assert status["status"] == "OK"
    assert {name: part["status"] for name, part in status["services"].items()} == {
        "manager": "OK",
        "broker": "OK",
        "db": "OK",
    }
    assert set(status["services"]["broker"]["nodes"]) == {"queue-1", "queue-2", "queue-3"}


@pytest.mark.usefixtures("healthy")
def test_a_manager_that_reports_was_just_seen(api):
    seen = datetime.fromisoformat(api.get("/managers")["items"][0]["last_seen"])

    assert datetime.now(UTC) - seen < timedelta(seconds=30)


@pytest.mark.usefixtures("healthy")
def test_a_failing_node_degrades_the_cluster_at_once(api, tokens):
    send(api, tokens, "broker", body("127.0.1.2", status="Fail"))

    status = api.get("/cluster-status")

    assert status["status"] == "Degraded"
    assert status["services"]["broker"]["nodes"]["queue-2"]["status"] == "Fail"


@pytest.mark.usefixtures("healthy")
def test_a_silent_node_degrades_the_cluster(api, database):
    with database.session() as session:
        silent = update(NodeReport).where(NodeReport.private_ip == "127.0.1.2")
        session.execute(silent.values(received_at=datetime.now(UTC) - timedelta(seconds=11)))

    assert api.get("/cluster-status")["status"] == "Degraded"


def test_the_summary_of_a_failing_cluster_is_a_500(api):
    reply = api.call("GET", "/cluster-status", query_string={"summary": "true"})

    assert reply.status_code == 500
    assert reply.json["status"] == "Fail"


@pytest.mark.usefixtures("healthy")
def test_the_summary_of_a_working_cluster_is_a_200(api):
    assert api.get("/cluster-status", query_string={"summary": "true"})["status"] == "OK"


@pytest.mark.parametrize("sender", ["manager", "db", "broker"])
@pytest.mark.parametrize("kind", ["manager", "db", "broker"])
def test_a_reporter_reports_for_its_own_service_only(api, tokens, kind, sender):
    reply = send(api, tokens, kind, body(ADDRESSES[kind][0]), sender=sender)

    assert reply.status_code == (200 if kind == sender else 403)


def test_the_administrator_is_no_reporter(api):
    report = body("10.0.0.31")

    assert api.call("PUT", f"/cluster-status/db/{NODE_ID}", json=report).status_code == 403


def test_a_report_from_the_future_is_refused(api, tokens):
    report = body("127.0.0.1", at=datetime.now(UTC) + timedelta(minutes=2))

    reply = send(api, tokens, "db", report)

    assert reply.status_code == 400
    assert "from the future" in reply.json["message"]


def test_an_older_report_is_refused(api, tokens):
    send(api, tokens, "db", body("127.0.0.1"))

    reply = send(api, tokens, "db", body("127.0.0.1", at=datetime.now(UTC) - timedelta(seconds=30)))

    assert reply.status_code == 400
    assert "older than the stored one" in reply.json["message"]


def test_a_node_whose_clock_was_set_back_is_believed_once_its_report_is_stale(
    api, tokens, database
):
    send(api, tokens, "db", body("127.0.0.1"))
    with database.session() as session:
        session.execute(
            update(NodeReport).values(received_at=datetime.now(UTC) - timedelta(seconds=11))
        )

    reply = send(api, tokens, "db", body("127.0.0.1", at=datetime.now(UTC) - timedelta(seconds=30)))

    assert reply.status_code == 200
    assert api.get("/cluster-status")["services"]["db"]["status"] == "OK"


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "2026-11-20"},
        {"timestamp": "20261399000000+0000"},
        {"reporting_freq": 0},
        {"reporting_freq": True},
        {"reporting_freq": "5"},
        {"reporting_freq": 10**9},
        {"report": None},
        {"report": {"status": "Fine", "services": {}}},
        {"report": {"status": "OK", "services": []}},
        {"report": {"status": "OK", "services": {"a": "b"}}},
        {"node": None},
        {"node": {"name": "x", "private_ip": "'; DROP TABLE users; --"}},
    ],
)
def test_a_malformed_report_is_refused(api, tokens, change):
    reply = send(api, tokens, "db", body("127.0.0.1") | change)

    assert reply.status_code == 400
    assert reply.json["error_code"] == "bad_parameters_error"


def test_a_body_that_is_no_object_is_refused(api, tokens):
    assert send(api, tokens, "db", [1]).status_code == 400


def test_a_report_of_an_unknown_node_changes_nothing(api, tokens):
    """A node that has left may go on reporting for a while."""
    assert send(api, tokens, "db", body("10.9.9.9")).status_code == 200

    assert set(api.get("/cluster-status")["services"]["db"]["nodes"]) == {"db-1"}


@pytest.mark.usefixtures("healthy")
def test_a_removed_broker_leaves_the_status(api):
    assert api.call("DELETE", "/brokers/queue-3").status_code == 200

    status = api.get("/cluster-status")

    assert set(status["services"]["broker"]["nodes"]) == {"queue-1", "queue-2"}
    assert status["status"] == "OK"
