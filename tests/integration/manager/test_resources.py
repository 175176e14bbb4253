"""What all resources have in common, and the smaller ones: pages, fields, versions, errors."""

import pytest
from sqlalchemy import update

from manager.storage.models import ConfigEntry

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["queue-1", "queue-2", "queue-3"]),
        ({"_size": "2"}, ["queue-1", "queue-2"]),
        ({"_size": "2", "_offset": "2"}, ["queue-3"]),
        ({"_size": "0"}, []),
        ({"_offset": "99"}, []),
    ],
)
def test_a_list_comes_in_pages(api, query, names):
    page = api.get("/brokers", query_string=query)

    assert [item["name"] for item in page["items"]] == names
    assert page["metadata"]["pagination"]["total"] == 3
    assert page["metadata"]["pagination"]["size"] == int(query.get("_size", 1000))


@pytest.mark.parametrize("size", ["-1", "many", "1e3", "\N{SUPERSCRIPT TWO}", "9" * 30, ""])
def test_a_senseless_page_is_a_bad_parameter(api, size):
    reply = api.call("GET", "/brokers", query_string={"_size": size})

    assert reply.status_code == 400
    assert reply.json["error_code"] == "bad_parameters_error"


def test_only_the_fields_asked_for_are_answered(api):
    (manager,) = api.get("/managers", query_string={"_include": "hostname, private_ip"})["items"]

    assert manager == {"hostname": "manager-1", "private_ip": "10.0.0.31"}


def test_an_unknown_field_is_named(api):
    reply = api.call("GET", "/managers", query_string={"_include": "zz"})

    assert reply.status_code == 400
    assert reply.json["error_code"] == "no_such_include_field_error"
    assert "Include keys '['zz']' do not exist" in reply.json["message"]


def test_a_manager_is_found_by_its_host_name(api):
    found = api.get("/managers", query_string={"hostname": "manager-1"})
    absent = api.get("/managers", query_string={"hostname": "manager-9"})

    assert len(found["items"]) == 1
    assert absent["items"] == []


@pytest.mark.parametrize("version", ["v2", "v2.1", "v3", "v3.1"])
def test_every_version_of_the_api_is_served(api, version):
    reply = api.client.get(f"/api/{version}/managers", auth=api.auth)

    assert reply.json["items"][0]["hostname"] == "manager-1"


def test_version_1_has_bare_lists(api):
    reply = api.client.get("/api/v1/managers", auth=api.auth)

    assert [item["hostname"] for item in reply.json] == ["manager-1"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nosuch", 404),
        ("POST", "/managers", 405),
        ("GET", "/cluster-status/db/x", 405),
        ("PUT", "/cluster-status/web/x", 404),
        ("DELETE", "/managers/manager-9", 404),
        ("DELETE", "/brokers/queue-9", 404),
        ("DELETE", "/db-nodes/db-9", 404),
        ("GET", "/tenants/nope", 404),
        ("GET", "/tokens/nope", 404),
        ("GET", "/config/nope", 404),
        ("PUT", "/config/task_retries", 400),
        ("POST", "/tokens", 400),
    ],
)
def test_what_does_not_exist_or_fit_is_told_by_status(api, method, path, status):
    assert api.call(method, path).status_code == status


def test_an_unexpected_failure_tells_the_client_nothing(api, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("select secret from users")

    monkeypatch.setattr("manager.rest.managers.list_managers", fail)

    reply = api.call("GET", "/managers")

    assert reply.status_code == 500
    assert reply.json["error_code"] == "internal_server_error"
    assert "secret" not in reply.text
    assert "select secret from users" in caplog.text


def test_a_body_beyond_the_limit_is_refused(api):
    assert api.call("POST", "/tokens", data=b"x" * 34_000_000).status_code == 413


def test_maintenance_mode_is_switched_on_and_off(api):
    on = api.call("POST", "/maintenance/activate")
    again = api.call("POST", "/maintenance/activate")

    assert (on.status_code, again.status_code) == (200, 304)
    state = api.get("/maintenance")
    assert (state["status"], state["requested_by"]) == ("activated", "admin")
    assert state["activated_at"].endswith("Z")

    off = api.call("POST", "/maintenance/deactivate")
    again = api.call("POST", "/maintenance/deactivate")
    assert (off.status_code, again.status_code) == (200, 304)
    assert api.get("/maintenance")["status"] == "deactivated"


def test_a_setting_is_changed_as_its_schema_says(api):
    changed = api.call("PUT", "/config/task_retry_interval", json={"value": "3", "force": "false"})

    assert changed.json["value"] == 3
    assert changed.json["updater_name"] == "admin"
    assert api.get("/config/workflow.task_retry_interval")["value"] == 3
    refused = api.call("PUT", "/config/task_retry_interval", json={"value": "often"})
    assert refused.status_code == 400


def test_a_name_in_several_scopes_needs_its_scope(api):
    assert api.call("GET", "/config/max_workers").status_code == 409
    assert api.get("/config/agent.max_workers")["scope"] == "agent"


def test_a_setting_that_is_not_editable_needs_force(api, database):
    with database.session() as session:
        session.execute(update(ConfigEntry).values(is_editable=False))

    assert api.call("PUT", "/config/task_retries", json={"value": 1}).status_code == 409
    forced = api.call("PUT", "/config/task_retries", json={"value": 1, "force": True})
    assert forced.json["value"] == 1


def test_a_user_sees_their_tenants_by_role(api):
    assert api.get("/user")["tenants"] == 1
    detailed = api.get("/user", query_string={"_get_data": "True"})

    assert detailed["tenants"]["default_tenant"]["tenant-role"] == "manager"


def test_reporters_are_not_counted_as_users_of_the_tenant(api):
    assert api.get("/tenants/default_tenant")["users"] == 1


def test_the_manager_never_lacks_a_licence(api):
    assert api.get("/license-check") == "OK"


def test_ok_needs_no_credentials_and_tells_when_a_service_is_down(api):
    api.auth = None

    reply = api.call("GET", "/ok")

    assert (reply.status_code, reply.text) == (500, "FAIL")


def test_forwarded_headers_do_not_change_who_the_caller_is(api):
    api.headers |= {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
    api.auth = None

    assert api.call("GET", "/managers").status_code == 401
