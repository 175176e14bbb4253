"""Bootstrapping: complete, repeatable, the same for the manager that joins."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from manager.errors import BadParameters, Conflict
from manager.services.bootstrap import (
    BootstrapSecrets,
    bootstrap,
    parse_secrets,
    reporter_tokens,
)
from manager.services.check import database_problems
from manager.services.tokens import generate_token
from manager.settings import NodeAddress
from manager.storage.database import Database
from manager.storage.models import Base, Broker, DatabaseNode, Manager, User
from manager.storage.schema import head_revision, upgrade_schema

pytestmark = pytest.mark.integration

NOTHING = BootstrapSecrets()


def run(database, settings, secrets=NOTHING):
    with database.session() as session:
        bootstrap(session, settings, secrets)


def counts(database):
    with database.session() as session:
        tables = Base.metadata.sorted_tables
        return {t.name: session.scalar(select(func.count()).select_from(t)) for t in tables}


def joining(settings, **changes):
    manager = replace(
        settings.manager, hostname="manager-2", private_ip="10.0.0.32", public_ip="10.0.0.32"
    )
    return replace(settings, manager=replace(manager, **changes))


def test_a_second_bootstrap_adds_nothing(database, settings):
    before = counts(database)

    run(database, settings, BootstrapSecrets(admin_password="another"))

    assert counts(database) == before


def test_a_second_bootstrap_keeps_the_administrators_password(api, database, settings):
    run(database, settings, BootstrapSecrets(admin_password="another"))

    assert api.call("GET", "/version").status_code == 200
    assert api.with_login("admin", "another").call("GET", "/version").status_code == 401


def test_the_first_bootstrap_needs_the_administrators_password(empty_database, settings):
    database = Database(empty_database)
    upgrade_schema(database.engine)

    with pytest.raises(BadParameters, match="admin_password is needed"):
        run(database, settings)
    assert counts(database)["users"] == 0
    database.close()


def test_a_manager_joins_by_the_same_command(api, database, settings):
    run(database, joining(settings))

    assert [m["hostname"] for m in api.get("/managers")["items"]] == ["manager-1", "manager-2"]


def test_another_managers_address_is_refused(database, settings):
    with pytest.raises(Conflict, match=r"manager-1 has the address 10\.0\.0\.31 already"):
        run(database, joining(settings, private_ip="10.0.0.31"))


def test_a_manager_whose_address_changed_is_brought_up_to_date(database, settings):
    run(database, replace(settings, manager=replace(settings.manager, private_ip="10.9.9.9")))

    with database.session() as session:
        assert session.scalars(select(Manager.private_ip)).all() == ["10.9.9.9"]


def test_a_renamed_broker_takes_the_place_of_its_address(database, settings):
    renamed = (NodeAddress(name="mq-1", address="127.0.1.1"), *settings.rabbitmq.hosts[1:])

    run(database, replace(settings, rabbitmq=replace(settings.rabbitmq, hosts=renamed)))

    with database.session() as session:
        names = session.scalars(select(Broker.name).order_by(Broker.name)).all()
    assert names == ["mq-1", "queue-2", "queue-3"]


def test_reporters_have_the_ids_of_5_0_5(database):
    with database.session() as session:
        rows = session.execute(select(User.id, User.username).where(User.id >= 90000))
        assert {row.id: row.username for row in rows} == {
            90000: "manager_status_reporter",
            90001: "db_status_reporter",
            90002: "broker_status_reporter",
        }


def test_a_given_reporter_token_replaces_the_stored_one(api, database, settings, tokens):
    given = generate_token()

    run(database, settings, BootstrapSecrets(reporter_tokens={"db": given}))

    with database.session() as session:
        assert reporter_tokens(session, settings) == {**tokens, "db": str(given)}
    assert api.with_token(str(given)).call("GET", "/managers").status_code == 200
    assert api.with_token(tokens["db"]).call("GET", "/managers").status_code == 401


def test_stored_tokens_and_broker_passwords_are_sealed(database, settings, tokens):
    with database.session() as session:
        passwords = session.scalars(select(Broker.password)).all()
        rows = session.execute(select(Base.metadata.tables["tokens"])).all()

    assert settings.rabbitmq.password not in "".join(passwords)
    for token in tokens.values():
        assert token.rsplit("-", 1)[1] not in repr(rows)


def test_a_bootstrapped_manager_has_no_problem(database, settings):
    with database.session() as session:
        assert list(database_problems(settings, session, head_revision())) == []


def test_a_manager_that_is_not_registered_has_a_problem(database, settings):
    with database.session() as session:
        problems = list(database_problems(joining(settings), session, head_revision()))

    assert problems == ["manager-2 is not registered: python -m manager bootstrap"]


def test_database_nodes_are_registered(database):
    with database.session() as session:
        assert session.scalars(select(DatabaseNode.name)).all() == ["db-1"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "not a JSON object"),
        ({"password": "x"}, "not a JSON object of"),
        ({"reporter_tokens": {"web": "x"}}, "reporter_tokens is not an object"),
        ({"reporter_tokens": {"db": "secret"}}, "reporter_tokens.db is not of the form"),
    ],
)
def test_malformed_secrets_are_refused_without_showing_them(document, words):
    with pytest.raises(BadParameters, match=words) as caught:
        parse_secrets(document)

    assert "secret" not in str(caught.value).replace("<secret>", "")
