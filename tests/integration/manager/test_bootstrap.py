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
from manager.services.tokens import generate_token, parse_token
from manager.settings import NodeAddress
from manager.storage.database import Database
from manager.storage.models import Base, Broker, DatabaseNode, Manager, User
from manager.storage.schema import upgrade_schema

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


def problems_of(database, settings, secrets=NOTHING):
    with database.session() as session:
        return list(database_problems(session, settings, secrets))


def test_a_bootstrapped_manager_has_no_problem(database, settings, tokens):
    given = {kind: parse_token(token) for kind, token in tokens.items()}

    assert problems_of(database, settings) == []
    assert problems_of(database, settings, BootstrapSecrets(reporter_tokens=given)) == []


def test_a_manager_that_is_not_registered_has_a_problem(database, settings):
    assert problems_of(database, joining(settings)) == [
        "manager manager-2 is not registered: python -m manager bootstrap"
    ]


def with_brokers(settings, **changes):
    return replace(settings, rabbitmq=replace(settings.rabbitmq, **changes))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: replace(s, manager=replace(s.manager, public_ip="1.2.3.4")), "public_ip"),
        (lambda s: with_brokers(s, password="rotated"), "password"),
        (lambda s: with_brokers(s, port=5673), "another port"),
        (
            lambda s: with_brokers(s, hosts=(NodeAddress(name="queue-4", address="127.0.1.4"),)),
            "broker queue-4 is not registered",
        ),
        (
            lambda s: replace(s, database=replace(s.database, is_external=True)),
            "another is_external",
        ),
    ],
)
def test_what_manager_yaml_says_anew_is_a_problem_until_the_next_bootstrap(
    database, settings, change, words
):
    changed = change(settings)

    assert words in problems_of(database, changed)[0]
    run(database, changed)
    assert problems_of(database, changed) == []


def test_another_token_is_a_problem_until_the_next_bootstrap(database, settings):
    secrets = BootstrapSecrets(reporter_tokens={"broker": generate_token()})

    assert problems_of(database, settings, secrets) == [
        "the broker reporters' token is out of date: python -m manager bootstrap"
    ]
    run(database, settings, secrets)
    assert problems_of(database, settings, secrets) == []


def test_an_empty_database_has_the_schema_as_its_problem(empty_database, settings):
    database = Database(empty_database)

    (problem,) = problems_of(database, settings)

    assert problem.startswith("the schema is at None")
    database.close()


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
