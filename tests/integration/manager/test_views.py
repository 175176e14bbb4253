"""Lists of resources: tenants and visibility, filters, order, pages, fields."""

from contextlib import contextmanager

import pytest
from flask import g
from sqlalchemy import insert, select

from manager.errors import BadParameters, Forbidden, NoSuchIncludeField, NotFound
from manager.rest.app import create_app
from manager.rest.views import listing_of, one_of
from manager.services.authentication import Caller
from manager.services.resources import find_to_change
from manager.storage.models import Site, Tenant, User, UserTenant
from manager.storage.view import View, common_fields

pytestmark = pytest.mark.integration

SITES = View(
    name="Site",
    model=Site,
    fields={**common_fields(Site), "latitude": Site.latitude, "longitude": Site.longitude},
    loaded={"twice": lambda _session, keys: {key: 2 * key for key in keys}},
)


@pytest.fixture
def ask(settings, database):
    """Read sites as a user in a tenant: ask(user, tenant, query string)."""
    app = create_app(settings)
    with database.session() as session:
        ids = _fill(session)

    @contextmanager
    def request(user, tenant, query=""):
        role = ids["roles"].get((user, tenant))
        caller = Caller(
            user_id=ids[user],
            username=user,
            role="sys_admin" if user == "admin" else "default",
            tenant_id=ids[tenant],
            tenant=tenant,
            tenant_role=role,
        )
        with app.test_request_context(f"/?{query}"), database.session() as session:
            g.session, g.caller = session, caller
            yield session, caller

    def ask(user, tenant, query=""):
        with request(user, tenant, query):
            return listing_of(SITES)

    ask.request = request
    return ask


def _fill(session):
    ids = {"admin": session.scalar(select(User.id).where(User.username == "admin"))}
    for name in ("ann", "bob", "mia"):
        ids[name] = session.scalar(
            insert(User).values(username=name, role="default").returning(User.id)
        )
    for name in ("red", "blue"):
        ids[name] = session.scalar(insert(Tenant).values(name=name).returning(Tenant.id))
    ids["roles"] = {("ann", "red"): "user", ("bob", "red"): "user", ("mia", "red"): "manager"}
    for (user, tenant), role in ids["roles"].items():
        session.execute(
            insert(UserTenant).values(user_id=ids[user], tenant_id=ids[tenant], role=role)
        )
    for tenant, name, creator, visibility, latitude in (
        ("red", "open", "ann", "tenant", 1.5),
        ("red", "secret", "ann", "private", 2.5),
        ("blue", "foreign", "admin", "tenant", None),
        ("blue", "shared", "admin", "global", None),
    ):
        session.execute(
            insert(Site).values(
                id=name,
                tenant_id=ids[tenant],
                creator_id=ids[creator],
                visibility=visibility,
                latitude=latitude,
            )
        )
    return ids


def names(reply):
    return [item["id"] for item in reply["items"]]


@pytest.mark.parametrize(
    ("user", "tenant", "query", "seen"),
    [
        ("ann", "red", "", ["open", "secret", "shared"]),
        ("bob", "red", "", ["open", "shared"]),
        ("mia", "red", "", ["open", "secret", "shared"]),
        ("admin", "blue", "", ["foreign", "shared"]),
        ("admin", "blue", "_all_tenants=true", ["open", "secret", "foreign", "shared"]),
        ("bob", "red", "_all_tenants=true", ["open", "shared"]),
        ("mia", "red", "_all_tenants=true", ["open", "secret", "shared"]),
    ],
)
def test_a_list_has_what_the_caller_may_read(ask, user, tenant, query, seen):
    assert names(ask(user, tenant, query)) == seen


@pytest.mark.parametrize(
    ("query", "found", "total"),
    [
        ("_size=2", ["open", "secret"], 3),
        ("_size=2&_offset=2", ["shared"], 3),
        ("_size=2&_offset=9", [], 3),
        ("_size=0", [], 3),
        ("_sort=-id", ["shared", "secret", "open"], 3),
        ("_search=SEC", ["secret"], 1),
        ("_search=%25", [], 0),
        ("id=open&id=secret", ["open", "secret"], 2),
        ("latitude=2.5", ["secret"], 1),
        ("private_resource=True", ["secret"], 1),
        ("created_by=admin", ["shared"], 1),
        ("_size=1&_get_all_results=true", ["open", "secret", "shared"], 3),
    ],
)
def test_a_list_is_filtered_sorted_and_paged(ask, query, found, total):
    reply = ask("ann", "red", query)

    assert names(reply) == found
    assert reply["metadata"]["pagination"]["total"] == total


def test_only_the_fields_asked_for_are_read(ask):
    reply = ask("ann", "red", "_include=id,twice&_size=1")

    (item,) = reply["items"]
    assert item.keys() == {"id", "twice"}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("_include=id,nonsense", NoSuchIncludeField),
        ("nonsense=1", BadParameters),
        ("_sort=nonsense", BadParameters),
        ("latitude=north", BadParameters),
        ("_size=-1", BadParameters),
        ("_all_tenants=perhaps", BadParameters),
        ("created_at=yesterday", BadParameters),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(ask, query, error):
    with pytest.raises(error):
        ask("ann", "red", query)


def test_one_item_is_found_where_it_may_be_read(ask):
    with ask.request("bob", "red"):
        assert one_of(SITES, "shared")["tenant_name"] == "blue"
        for hidden in ("secret", "foreign", "nothing"):
            with pytest.raises(NotFound, match=f"`Site` with ID `{hidden}`"):
                one_of(SITES, hidden)


def test_only_the_own_tenant_changes_a_global_resource(ask):
    with ask.request("bob", "red") as (session, caller):
        with pytest.raises(Forbidden):
            find_to_change(session, caller, Site, "shared")
        with pytest.raises(NotFound):
            find_to_change(session, caller, Site, "secret")
        assert find_to_change(session, caller, Site, "open").id == "open"
