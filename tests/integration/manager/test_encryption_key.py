"""The encryption key changes for everything that is sealed, or for nothing."""

import pytest
from sqlalchemy import func, insert, select, update

from manager.errors import ManagerError
from manager.services.encryption import Sealer
from manager.services.encryption_key import sealed_columns, update_encryption_key
from manager.storage.models import Broker, Secret, Tenant, Token, User

pytestmark = pytest.mark.integration

OLD = Sealer("encryption")
NEW = Sealer("new")
BOTH = Sealer("new", ("encryption",))


@pytest.fixture
def sealed(database):
    """Store something sealed with the old key in every sealed column."""
    with database.session() as session:
        tenant, user = session.scalars(select(Tenant)).one(), session.scalars(select(User)).first()
        session.execute(update(Tenant).values(rabbitmq_password=OLD.seal("tenant-secret")))
        rows = [
            {
                "id": f"k{n}",
                "value": OLD.seal(f"v{n}"),
                "tenant_id": tenant.id,
                "creator_id": user.id,
            }
            for n in range(50)
        ]
        session.execute(insert(Secret), rows)


def values(database):
    with database.session() as session:
        return {
            str(column): list(session.scalars(select(column).where(column.is_not(None))))
            for column in sealed_columns()
        }


def test_every_sealed_value_opens_with_the_new_key_alone(database, sealed):
    before = {name: sorted(map(OLD.open, found)) for name, found in values(database).items()}

    with database.session() as session:
        changed = update_encryption_key(session, BOTH)

    after = {name: sorted(map(NEW.open, found)) for name, found in values(database).items()}
    assert after == before
    assert all(after.values()), "a sealed column has nothing to change"
    assert changed == sum(map(len, after.values()))


def test_a_second_run_changes_nothing(database, sealed):
    for expected_to_change in (True, False):
        with database.session() as session:
            assert bool(update_encryption_key(session, BOTH)) is expected_to_change


def test_an_interrupted_run_changes_nothing_and_the_next_one_everything(database, sealed):
    before = values(database)
    with database.session() as session:  # the last column's value opens with neither key
        session.execute(
            update(Secret).where(Secret.id == "k49").values(value=Sealer("lost").seal("x"))
        )
    broken = values(database)

    with pytest.raises(ManagerError), database.session() as session:
        update_encryption_key(session, BOTH)
    assert values(database) == broken

    with database.session() as session:
        session.execute(update(Secret).where(Secret.id == "k49").values(value=OLD.seal("v49")))
    with database.session() as session:
        assert update_encryption_key(session, BOTH) == sum(map(len, before.values()))


def test_while_the_key_changes_managers_read_each_others_values():
    with_old, with_new = Sealer("encryption", ("new",)), BOTH

    assert with_old.open(with_new.seal("value")) == "value"
    assert with_new.open(with_old.seal("value")) == "value"
    assert NEW.open(with_new.seal("value")) == "value"


def test_the_columns_are_those_that_hold_secrets(database):
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(Broker))

    assert {str(column) for column in sealed_columns()} == {
        str(column)
        for column in (
            Broker.__table__.c.password,
            Secret.__table__.c.value,
            Tenant.__table__.c.rabbitmq_password,
            Token.__table__.c.sealed_value,
        )
    }
