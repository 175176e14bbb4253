"""Users, groups, tenants and permissions: what administrators do, and what others may not."""

import pytest
from sqlalchemy import select

from manager.storage.models import Site, Tenant, Token, User

pytestmark = pytest.mark.integration

PASSWORD = "bobs-password"


def send(client, method, path, body=None, *, status=200):
    reply = client.call(method, path, json=body)
    assert reply.status_code == status, reply.text
    return reply.json if reply.data else None


@pytest.fixture
def bob(api):
    """Make a user without any tenant and return their client."""
    body = {"username": "bob", "password": PASSWORD, "role": "default"}
    send(api, "PUT", "/users", body, status=201)
    client = api.with_login("bob", PASSWORD)
    client.headers = {}
    return client


@pytest.fixture
def red(api):
    """Make a tenant."""
    return send(api, "POST", "/tenants/red", {"rabbitmq_password": ""}, status=201)


def in_tenant(client, tenant):
    client = client.with_login(*client.auth)
    client.headers = {"Tenant": tenant}
    return client


def test_a_new_user_may_log_in_and_is_listed(api, bob):
    assert send(bob, "GET", "/user")["username"] == "bob"

    listed = send(api, "GET", "/users?_sort=-username")["items"]

    assert [user["username"] for user in listed] == ["bob", "admin"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "bob", "password": PASSWORD, "role": "default"}, 409),
        ({"username": "eve", "password": PASSWORD, "role": "manager"}, 400),
        ({"username": "eve", "password": PASSWORD, "role": "db_status_reporter"}, 400),
        ({"username": "eve", "password": "four", "role": "default"}, 400),
        ({"username": "eve", "password": ["x"], "role": "default"}, 400),
        ({"username": "../eve", "password": PASSWORD, "role": "default"}, 400),
        ({"username": "eve", "password": PASSWORD}, 400),
        (
            {"username": "eve", "password": "plain", "role": "default", "is_prehashed": True},
            400,
        ),
    ],
)
def test_a_wrong_user_is_refused(api, bob, body, status):
    send(api, "PUT", "/users", body, status=status)


def test_a_user_restored_with_a_hash_logs_in_with_the_password(api, bob, database):
    with database.session() as session:
        stored = session.scalar(select(User.password_hash).where(User.username == "bob"))
    body = {"username": "eve", "password": stored, "role": "default", "is_prehashed": "true"}

    send(api, "PUT", "/users", body, status=201)

    assert send(api.with_login("eve", PASSWORD), "GET", "/user", status=403)  # no tenant yet


def test_users_change_their_own_password_and_no_role_and_nobody_elses(api, bob):
    send(bob, "POST", "/users/bob", {"role": "sys_admin"}, status=403)
    send(bob, "POST", "/users/admin", {"password": "bobs-now"}, status=403)
    send(bob, "POST", "/users/bob", {"password": "another-one"})

    send(bob, "GET", "/user", status=401)
    client = bob.with_login("bob", "another-one")
    assert send(client, "GET", "/user")["username"] == "bob"


def test_a_user_who_becomes_administrator_may_do_everything(api, bob):
    send(bob, "GET", "/users", status=403)

    send(api, "POST", "/users/bob", {"role": "sys_admin"})

    send(bob, "GET", "/users")


def test_an_inactive_user_stays_out(api, bob):
    send(api, "POST", "/users/active/bob", {"action": "deactivate"})
    send(bob, "GET", "/user", status=401)
    send(api, "POST", "/users/active/bob", {"action": "deactivate"}, status=409)
    send(api, "POST", "/users/active/bob", {"action": "sleep"}, status=400)

    send(api, "POST", "/users/active/bob", {"action": "activate"})

    send(bob, "GET", "/user")


def test_a_locked_user_gets_in_when_unlocked(api, bob):
    send(api, "PUT", "/config/account_lock_period", {"value": 0})
    for _ in range(4):
        send(bob.with_login("bob", "wrong-password"), "GET", "/user", status=401)
    send(bob, "GET", "/user", status=401)
    assert send(api, "GET", "/users/bob")["is_locked"] is True

    send(api, "POST", "/users/unlock/bob")

    assert send(bob, "GET", "/user")["is_locked"] is False


def test_the_bootstrap_administrator_stays(api, bob):
    send(api, "POST", "/users/bob", {"role": "sys_admin"})

    for method, path, body in (
        ("DELETE", "/users/admin", None),
        ("POST", "/users/admin", {"role": "default"}),
        ("POST", "/users/active/admin", {"action": "deactivate"}),
    ):
        send(bob, method, path, body, status=400)
    send(bob, "DELETE", "/users/bob", status=403)


def test_a_deleted_user_loses_tokens_but_an_owner_stays(api, bob, database):
    send(bob, "POST", "/tokens", {})
    with database.session() as session:
        site = Site(
            id="site",
            tenant_id=session.scalars(select(Tenant.id)).one(),
            creator_id=session.scalar(select(User.id).where(User.username == "bob")),
        )
        session.add(site)
    send(api, "DELETE", "/users/bob", status=409)
    with database.session() as session:
        session.delete(session.get_one(Site, site.key))

    send(api, "DELETE", "/users/bob", status=204)

    with database.session() as session:
        bobs = select(Token).join(User).where(User.username == "bob")
        assert session.scalars(bobs).all() == []
    send(api, "GET", "/users/bob", status=404)


def test_reporters_are_nobodys_users(api):
    send(api, "GET", "/users/db_status_reporter", status=404)
    send(api, "DELETE", "/users/db_status_reporter", status=404)


def test_a_role_in_a_tenant_opens_it_with_that_roles_permissions(api, bob, red):
    there = in_tenant(bob, "red")
    send(there, "GET", "/cluster-status", status=403)
    entry = {"username": "bob", "tenant_name": "red"}

    send(api, "PUT", "/tenants/users", {**entry, "role": "viewer"})
    send(there, "GET", "/cluster-status")
    send(there, "GET", "/tenants/red", status=403)  # viewers see only the list
    send(api, "PUT", "/tenants/users", entry, status=409)
    send(api, "PATCH", "/tenants/users", {**entry, "role": "operations"})
    credentials = send(there, "GET", "/tenants/red")
    send(api, "DELETE", "/tenants/users", entry, status=204)

    assert credentials["rabbitmq_username"] == "rabbitmq_user_red"
    assert credentials["rabbitmq_password"]
    send(there, "GET", "/cluster-status", status=403)
    send(api, "DELETE", "/tenants/users", entry, status=404)
    send(api, "PUT", "/tenants/users", {**entry, "role": "sys_admin"}, status=400)


def test_a_tenants_credentials_are_for_those_with_a_role_in_it(api, bob, red):
    send(api, "POST", "/tenants/blue", {}, status=201)
    for tenant, role in (("red", "manager"), ("blue", "viewer")):
        entry = {"username": "bob", "tenant_name": tenant, "role": role}
        send(api, "PUT", "/tenants/users", entry)

    other = send(in_tenant(bob, "red"), "GET", "/tenants/blue")

    assert other["rabbitmq_password"] is None


def test_a_group_gives_its_members_a_role_in_a_tenant(api, bob, red):
    send(api, "POST", "/user-groups", {"group_name": "crew", "role": "default"}, status=201)
    send(api, "PUT", "/user-groups/users", {"username": "bob", "group_name": "crew"})
    entry = {"group_name": "crew", "tenant_name": "red", "role": "user"}
    send(api, "PUT", "/tenants/user-groups", entry)
    there = in_tenant(bob, "red")

    assert [tenant["name"] for tenant in send(there, "GET", "/tenants")["items"]] == ["red"]
    me = send(there, "GET", "/user?_get_data=true")
    assert me["tenants"] == {"red": {"tenant-role": None, "roles": ["user"]}}
    assert me["tenant_roles"] == {"direct": {}, "groups": {"red": {"user": ["crew"]}}}
    assert me["groups"] == ["crew"]
    assert me["group_system_roles"] == {"default": ["crew"]}
    seen = send(api, "GET", "/tenants/red?_get_data=true")
    assert seen["groups"] == {"crew": "user"}
    assert seen["users"] == {"bob": {"tenant-role": None, "roles": ["user"]}}
    assert seen["user_roles"] == {
        "direct": {},
        "groups": {"crew": {"role": "user", "users": ["bob"]}},
    }
    (crew,) = send(api, "GET", "/user-groups?_get_data=true")["items"]
    assert (crew["users"], crew["tenants"]) == (["bob"], {"red": "user"})

    send(api, "DELETE", "/user-groups/crew", status=409)
    send(api, "PATCH", "/tenants/user-groups", {**entry, "role": "viewer"})
    send(there, "GET", "/tenants/red", status=403)
    send(api, "DELETE", "/tenants/user-groups", entry, status=204)
    send(there, "GET", "/tenants", status=403)
    send(api, "DELETE", "/user-groups/users", {"username": "bob", "group_name": "crew"}, status=204)
    send(api, "DELETE", "/user-groups/crew", status=204)


def test_a_group_of_administrators_makes_its_members_administrators(api, bob):
    send(api, "POST", "/user-groups", {"group_name": "ops", "role": "default"}, status=201)
    send(api, "PUT", "/user-groups/users", {"username": "bob", "group_name": "ops"})
    send(bob, "GET", "/users", status=403)

    send(api, "POST", "/user-groups/ops", {"role": "sys_admin"})

    send(bob, "GET", "/users")


def test_a_tenant_goes_only_when_empty_and_the_default_one_never(api, red, database):
    with database.session() as session:
        tenant_id = session.scalar(select(Tenant.id).where(Tenant.name == "red"))
        admin_id = session.scalar(select(User.id).where(User.username == "admin"))
        site = Site(id="site", tenant_id=tenant_id, creator_id=admin_id)
        session.add(site)
    assert "sites" in send(api, "DELETE", "/tenants/red", status=409)["message"]
    with database.session() as session:
        session.delete(session.get_one(Site, site.key))

    send(api, "DELETE", "/tenants/red", status=204)

    send(api, "GET", "/tenants/red", status=404)
    send(api, "DELETE", "/tenants/default_tenant", status=400)


@pytest.mark.parametrize(
    ("name", "status"), [("red", 409), ("users", 400), ("1red", 400), ("a b", 400), ("ü", 400)]
)
def test_a_wrong_tenant_is_refused(api, red, name, status):
    assert api.call("POST", f"/tenants/{name}", json={}).status_code == status


def test_a_permission_taken_away_is_gone_at_once_and_comes_back(api, bob, red):
    entry = {"username": "bob", "tenant_name": "red", "role": "viewer"}
    send(api, "PUT", "/tenants/users", entry)
    there = in_tenant(bob, "red")
    send(there, "GET", "/cluster-status")

    send(api, "DELETE", "/permissions/viewer/cluster_status_get", status=204)
    send(there, "GET", "/cluster-status", status=403)
    send(api, "DELETE", "/permissions/viewer/cluster_status_get", status=404)
    granted = send(api, "PUT", "/permissions/viewer/cluster_status_get")

    assert granted == {"role": "viewer", "permission": "cluster_status_get"}
    send(there, "GET", "/cluster-status")
    send(api, "PUT", "/permissions/viewer/cluster_status_get", status=409)
    send(api, "PUT", "/permissions/viewer/fly", status=404)
    send(api, "GET", "/permissions/pilot", status=404)
    send(there, "GET", "/permissions", status=403)


def test_a_permission_taken_away_stays_away_when_bootstrap_runs_again(api, database, settings):
    from manager.services.bootstrap import BootstrapSecrets, bootstrap

    send(api, "DELETE", "/permissions/viewer/cluster_status_get", status=204)

    with database.session() as session:
        bootstrap(session, settings, BootstrapSecrets())

    names = [item["permission"] for item in send(api, "GET", "/permissions/viewer")["items"]]
    assert "cluster_status_get" not in names
    assert "blueprint_list" in names


def test_the_table_of_permissions_has_the_originals_size(api):
    items = send(api, "GET", "/permissions?_get_all_results=true")["items"]

    ours = {"cluster_manage", "license_check"}
    theirs = [i for i in items if "reporter" not in i["role"] and i["permission"] not in ours]
    assert len({item["permission"] for item in theirs}) == 248
    assert len(theirs) == 844


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/license"), ("PUT", "/license"), ("DELETE", "/license"), ("POST", "/ldap")],
)
def test_what_the_community_edition_lacks_is_told_by_its_code(api, method, path):
    assert send(api, method, path, status=404)["error_code"] == "missing_premium_package_error"
