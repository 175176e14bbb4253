"""Who gets in: by password, by token, into which tenant, with which permission."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from manager.services.passwords import hash_password
from manager.services.permissions import PERMISSIONS
from manager.storage.models import ConfigEntry, Tenant, Token, User, UserTenant
from tests.support.manager_app import ADMIN

pytestmark = pytest.mark.integration


@pytest.fixture
def bob(api, database):
    """Return the client of a viewer in the default tenant."""
    with database.session() as session:
        tenant = session.scalars(select(Tenant)).one()
        session.add(
            User(
                username="bob",
                password_hash=hash_password("bob-password"),
                role="default",
                tenants=[UserTenant(tenant=tenant, role="viewer")],
            )
        )
        session.add(Tenant(name="other"))
    return api.with_login("bob", "bob-password")


def set_config(database, name, value):
    with database.session() as session:
        session.execute(update(ConfigEntry).where(ConfigEntry.name == name).values(value=value))


def status(client, path="/managers", method="GET"):
    return client.call(method, path).status_code


def error_code(client, path="/managers"):
    return client.call("GET", path).json["error_code"]


def test_no_credentials_are_unauthorized(api):
    api.auth = None

    assert status(api, "/status") == 401
    assert error_code(api, "/status") == "unauthorized_error"


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic YWRtaW4=", "Bearer x", "Basic /w=="]
)
def test_malformed_credentials_are_unauthorized(api, header):
    api.auth = None
    api.headers["Authorization"] = header

    assert status(api) == 401


def test_a_password_with_a_colon_and_umlauts_works(api, database):
    with database.session() as session:
        session.execute(update(User).values(password_hash=hash_password("a:b:ü")))

    assert status(api.with_login("admin", "a:b:ü")) == 200


@pytest.mark.parametrize(
    ("username", "password"), [("admin", "wrong"), ("nobody", ADMIN[1]), ("", ""), ("admin", "")]
)
def test_wrong_credentials_are_unauthorized(api, username, password):
    assert status(api.with_login(username, password)) == 401


def test_a_reporter_cannot_log_in_by_password(api):
    assert status(api.with_login("db_status_reporter", "")) == 401


def test_an_inactive_user_is_unauthorized_at_once(api, bob, database):
    assert status(bob) == 200

    with database.session() as session:
        session.execute(update(User).where(User.username == "bob").values(active=False))

    assert status(bob) == 401


def test_an_unknown_tenant_is_forbidden(api):
    api.headers = {"Tenant": "nope"}

    assert status(api) == 403
    assert "invalid tenant name: nope" in api.call("GET", "/managers").json["message"]


def test_another_tenant_is_forbidden_to_a_user_and_open_to_administrators(api, bob):
    bob.headers = api.headers = {"Tenant": "other"}

    assert status(bob) == 403
    assert status(api) == 200


def test_a_viewer_may_read_and_not_change(bob):
    assert status(bob, "/cluster-status") == 200
    assert status(bob, "/maintenance/activate", "POST") == 403
    assert status(bob, "/managers/manager-1", "DELETE") == 403


def test_a_token_stands_for_its_owner(api):
    token = api.call("POST", "/tokens", json={"description": "ci"}).json

    client = api.with_token(token["value"])

    assert client.get("/user")["username"] == "admin"
    (listed,) = [item for item in api.get("/tokens")["items"] if item["id"] == token["id"]]
    assert listed["value"] == f"ctok-{token['id']}-********"
    assert listed["last_used"] is not None


def test_a_revoked_token_is_unauthorized(api):
    token = api.call("POST", "/tokens", json={}).json
    client = api.with_token(token["value"])
    assert status(client) == 200

    assert status(api, f"/tokens/{token['id']}", "DELETE") == 204

    assert status(client) == 401


def test_an_expired_token_is_unauthorized(api, database):
    token = api.call("POST", "/tokens", json={}).json
    with database.session() as session:
        session.execute(update(Token).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    assert status(api.with_token(token["value"])) == 401


@pytest.mark.parametrize(
    "expiry", ["yesterday", "2001-01-01T00:00:00+00:00", "2030-01-01T00:00:00"]
)
def test_a_token_needs_a_sensible_expiration_date(api, expiry):
    assert api.call("POST", "/tokens", json={"expiration_date": expiry}).status_code == 400


def test_a_token_with_a_wrong_secret_is_unauthorized(api):
    token = api.call("POST", "/tokens", json={}).json["value"]

    assert status(api.with_token(token[:-1] + ("a" if token[-1] != "a" else "b"))) == 401


def test_a_user_sees_only_their_own_tokens(api, bob):
    admins = api.call("POST", "/tokens", json={}).json

    own = bob.call("POST", "/tokens", json={}).json

    assert [item["id"] for item in bob.get("/tokens")["items"]] == [own["id"]]
    assert status(bob, f"/tokens/{admins['id']}") == 404
    assert status(bob, f"/tokens/{admins['id']}", "DELETE") == 404


def test_an_account_is_locked_after_wrong_passwords(api, bob, database):
    set_config(database, "account_lock_period", 10)
    wrong = api.with_login("bob", "wrong")

    assert [status(wrong) for _ in range(4)] == [401] * 4

    assert status(bob) == 401


def test_a_lock_ends_after_its_period(api, bob, database):
    set_config(database, "account_lock_period", 10)
    for _ in range(4):
        status(api.with_login("bob", "wrong"))
    with database.session() as session:
        earlier = datetime.now(UTC) - timedelta(minutes=11)
        session.execute(update(User).values(last_failed_login_at=earlier))

    assert status(bob) == 200
    assert bob.get("/user")["is_locked"] is False


def test_a_login_forgets_earlier_failures(api, bob, database):
    set_config(database, "account_lock_period", 0)
    wrong = api.with_login("bob", "wrong")

    for _ in range(3):
        assert [status(wrong) for _ in range(3)] == [401] * 3
        assert status(bob) == 200


def test_without_a_lock_period_nobody_is_locked(api, bob):
    for _ in range(6):
        status(api.with_login("bob", "wrong"))

    assert status(bob) == 200


def test_the_administrator_of_the_bootstrap_is_never_locked(api, database):
    set_config(database, "account_lock_period", 0)
    for _ in range(6):
        status(api.with_login("admin", "wrong"))

    assert status(api) == 200


@pytest.mark.parametrize("header", ["Authentication-Token", "API-Authentication-Token"])
def test_a_reporter_uses_either_header(api, tokens, header):
    assert status(api.with_token(tokens["broker"], header)) == 200


def test_a_reporter_may_not_see_what_it_does_not_need(api, tokens):
    for kind in ("manager", "db", "broker"):
        client = api.with_token(tokens[kind])
        assert [status(client, path) for path in ("/brokers", "/config", "/tokens", "/user")] == [
            403
        ] * 4


def test_only_administrators_see_broker_credentials(api, bob, settings):
    admins = api.get("/brokers")["items"][0]
    bobs = bob.get("/brokers")["items"][0]

    assert (admins["username"], admins["password"]) == ("cloudify", settings.rabbitmq.password)
    assert (bobs["username"], bobs["password"]) == (None, None)


def test_every_permission_is_held_by_a_known_role():
    known = {"sys_admin", "default", "manager", "user", "operations", "viewer"}
    reporters = {"manager_status_reporter", "db_status_reporter", "broker_status_reporter"}

    assert all(roles <= known | reporters for roles in PERMISSIONS.values())
