"""Secrets: sealed at rest, hidden from whom they must be, shared between managers."""

import json

import pytest
from sqlalchemy import select

from manager.services.encryption import Sealer
from manager.storage.models import Secret

pytestmark = pytest.mark.integration


def send(client, method, path, body=None, *, status=200):
    reply = client.call(method, path, json=body)
    assert reply.status_code == status, reply.text
    return reply.json if reply.data else None


def person(api, name, tenant, role):
    body = {"username": name, "password": f"{name}-password", "role": "default"}
    if api.call("GET", f"/users/{name}").status_code == 404:
        send(api, "PUT", "/users", body, status=201)
    entry = {"username": name, "tenant_name": tenant, "role": role}
    send(api, "PUT", "/tenants/users", entry)
    client = api.with_login(name, f"{name}-password")
    client.headers = {"Tenant": tenant}
    return client


@pytest.fixture
def ann(api):
    return person(api, "ann", "default_tenant", "user")


@pytest.fixture
def bob(api):
    return person(api, "bob", "default_tenant", "user")


@pytest.fixture
def other(api):
    """Return a client of another tenant."""
    send(api, "POST", "/tenants/other", {}, status=201)
    return person(api, "eve", "other", "user")


def test_a_secret_is_sealed_at_rest_and_open_to_readers(api, database):
    created = send(api, "PUT", "/secrets/k", {"value": "v-1"})

    with database.session() as session:
        stored = session.scalar(select(Secret.value))
    assert "v-1" not in stored
    assert Sealer("encryption").open(stored) == "v-1"
    assert created["value"] == stored
    assert send(api, "GET", "/secrets/k")["value"] == "v-1"
    (listed,) = send(api, "GET", "/secrets")["items"]
    assert "value" not in listed


def test_an_existing_secret_changes_only_when_asked(api):
    send(api, "PUT", "/secrets/k", {"value": "one"})
    send(api, "PUT", "/secrets/k", {"value": "two"}, status=409)
    assert send(api, "GET", "/secrets/k")["value"] == "one"

    send(api, "PUT", "/secrets/k", {"value": "two", "update_if_exists": "true"})

    assert send(api, "GET", "/secrets/k")["value"] == "two"


@pytest.mark.parametrize(
    "body",
    [
        {"value": ""},
        {"value": None},
        {"value": {"a": 1}},
        {},
        {"value": "v", "visibility": "all"},
        {"value": "v", "is_hidden_value": "perhaps"},
        {"value": "v", "schema": {"type": "integer"}},
        {"value": 1, "schema": {"type": "whole"}},
        {"value": 1, "schema": {}},
        {"value": 1, "schema": {"type": "integer", "$ref": "http://127.0.0.1:1/x"}},
        {"value": 1, "schema": {"type": "integer", "$ref": "#"}},
    ],
)
def test_a_wrong_secret_is_refused(api, body):
    send(api, "PUT", "/secrets/k", body, status=400)
    send(api, "GET", "/secrets/k", status=404)


def test_a_value_with_a_schema_is_any_json(api):
    schema = {"type": "object", "required": ["user"]}
    send(api, "PUT", "/secrets/k", {"value": {"user": "x"}, "schema": schema})

    send(api, "PATCH", "/secrets/k", {"value": {"pass": 1}}, status=400)
    send(api, "PATCH", "/secrets/k", {"value": {"user": ["y"]}})

    assert send(api, "GET", "/secrets/k")["value"] == {"user": ["y"]}


def test_a_hidden_value_is_its_creators_and_managers(api, ann, bob):
    send(ann, "PUT", "/secrets/k", {"value": "v", "is_hidden_value": True})

    assert send(ann, "GET", "/secrets/k")["value"] == "v"
    assert send(api, "GET", "/secrets/k")["value"] == "v"
    assert send(bob, "GET", "/secrets/k")["value"] == ""
    for method, body in (("PATCH", {"value": "w"}), ("DELETE", None)):
        send(bob, method, "/secrets/k", body, status=403)
    send(bob, "PATCH", "/secrets/k/set-visibility", {"visibility": "tenant"}, status=403)
    assert send(bob, "GET", "/secrets/share/export") == []


def test_only_owners_hide_a_value(ann, bob):
    send(ann, "PUT", "/secrets/k", {"value": "v"})

    send(bob, "PATCH", "/secrets/k", {"is_hidden_value": True}, status=403)
    send(bob, "PATCH", "/secrets/k", {"value": "w"})

    assert send(ann, "GET", "/secrets/k")["value"] == "w"


def test_private_secrets_are_unseen_and_other_tenants_too(api, ann, bob, other):
    send(ann, "PUT", "/secrets/mine", {"value": "v", "visibility": "private"})
    send(ann, "PUT", "/secrets/ours", {"value": "v"})

    assert [item["key"] for item in send(bob, "GET", "/secrets")["items"]] == ["ours"]
    send(bob, "GET", "/secrets/mine", status=404)
    assert send(other, "GET", "/secrets?_all_tenants=true")["items"] == []
    send(other, "GET", "/secrets/ours", status=404)


def test_a_global_secret_is_every_tenants_to_read_and_its_own_to_change(api, ann, other):
    send(ann, "PUT", "/secrets/k", {"value": "v", "visibility": "global"}, status=403)
    send(ann, "PUT", "/secrets/k", {"value": "v"})
    send(ann, "PATCH", "/secrets/k/set-visibility", {"visibility": "global"}, status=403)

    send(api, "PATCH", "/secrets/k/set-visibility", {"visibility": "global"})

    assert send(other, "GET", "/secrets/k")["value"] == "v"
    send(other, "PATCH", "/secrets/k", {"value": "w"}, status=403)
    send(other, "DELETE", "/secrets/k", status=403)
    send(other, "PUT", "/secrets/k", {"value": "w"}, status=409)
    send(api, "PATCH", "/secrets/k/set-visibility", {"visibility": "tenant"}, status=400)


@pytest.mark.parametrize("passphrase", [None, "a-passphrase"])
def test_what_is_exported_is_imported_again(api, passphrase):
    send(api, "PUT", "/secrets/text", {"value": "v-1", "is_hidden_value": True})
    send(api, "PUT", "/secrets/json", {"value": [1], "schema": {"type": "array"}})
    query = f"?_passphrase={passphrase}" if passphrase else ""
    shared = send(api, "GET", f"/secrets/share/export{query}")
    for key in ("text", "json"):
        send(api, "DELETE", f"/secrets/{key}", status=204)
    assert ("v-1" in json.dumps(shared)) is (passphrase is None)

    body = {"secrets_list": shared, "passphrase": passphrase, "override_collisions": False}
    reply = send(api, "POST", "/secrets/share/import", body)

    assert reply == {"colliding_secrets": {}, "secrets_errors": {}}
    assert send(api, "GET", "/secrets/text")["value"] == "v-1"
    assert send(api, "GET", "/secrets/text")["is_hidden_value"] is True
    assert send(api, "GET", "/secrets/json")["value"] == [1]


def item(**changes):
    plain = {
        "key": "k",
        "value": "new",
        "visibility": "tenant",
        "tenant_name": "default_tenant",
        "is_hidden_value": False,
        "encrypted": False,
    }
    return {**plain, **changes}


@pytest.mark.parametrize("override", [False, True])
def test_a_collision_is_told_and_overridden_only_when_asked(api, override):
    send(api, "PUT", "/secrets/k", {"value": "old"})
    body = {"secrets_list": [item()], "override_collisions": override}

    reply = send(api, "POST", "/secrets/share/import", body)

    assert reply["colliding_secrets"] == {"default_tenant": ["k"]}
    assert send(api, "GET", "/secrets/k")["value"] == ("new" if override else "old")


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"value": None}, "missing secret fields"),
        ({"is_hidden_value": 3}, "is_hidden_value"),
        ({"visibility": "all"}, "visibility"),
        ({"tenant_name": "nope"}, "tenant_name"),
        ({"tenant_name": ["x"]}, "tenant_name"),
        ({"encrypted": True}, "No passphrase"),
        ({"key": "../k"}, "secret"),
        ({"value": {"a": 1}}, "secret"),
    ],
)
def test_what_cannot_be_imported_is_told_and_the_rest_is(api, wrong, problem):
    body = {"secrets_list": [item(**wrong), item(key="fine"), 5], "override_collisions": False}

    errors = send(api, "POST", "/secrets/share/import", body)["secrets_errors"]

    assert problem in errors["0"]
    assert errors.keys() == {"0", "2"}
    assert send(api, "GET", "/secrets/fine")["value"] == "new"


def test_a_wrong_passphrase_is_told(api):
    send(api, "PUT", "/secrets/k", {"value": "v"})
    shared = send(api, "GET", "/secrets/share/export?_passphrase=right")
    send(api, "DELETE", "/secrets/k", status=204)
    body = {"secrets_list": shared, "passphrase": "wrong", "override_collisions": False}

    assert "value" in send(api, "POST", "/secrets/share/import", body)["secrets_errors"]["0"]


def test_secrets_move_to_the_mapped_tenant_and_only_administrators_reach_others(api, ann, other):
    body = {"secrets_list": [item()], "tenant_map": {"default_tenant": "other"}}

    refused = send(ann, "POST", "/secrets/share/import", body)
    send(api, "POST", "/secrets/share/import", body)

    assert "tenant_name" in refused["secrets_errors"]["0"]
    assert send(other, "GET", "/secrets/k")["value"] == "new"
    body["tenant_map"] = {"default_tenant": "nope"}
    send(api, "POST", "/secrets/share/import", body, status=400)
