"""The database that tests share is as new to each of them."""

import pytest
from sqlalchemy import delete, insert, inspect, text, update

from manager.storage.models import ConfigEntry, Site, Tenant, User, UserTenant

pytestmark = pytest.mark.integration


def rows(database):
    with database.session() as session:
        return {
            name: sorted(map(repr, session.execute(text(f'SELECT * FROM "{name}"'))))
            for name in inspect(session.connection()).get_table_names()
        }


def test_what_a_test_adds_changes_and_deletes_is_undone(database, shared):
    before = rows(database)
    assert before["users"]
    with database.session() as session:
        tenant = session.scalar(insert(Tenant).values(name="red").returning(Tenant.id))
        session.execute(insert(Site).values(id="north", tenant_id=tenant, creator_id=1))
        session.execute(update(User).values(role="default"))
        session.execute(delete(UserTenant))
        session.execute(delete(ConfigEntry))
    changed = rows(database)

    shared.copy.reset()

    assert {name for name in before if changed[name] != before[name]} >= {
        "tenants",
        "sites",
        "users",
    }
    assert rows(database) == before
