"""Executions reach the workers: messages after commits, tokens, what a crash left behind."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from manager.services.dispatch import redispatch_pending
from manager.services.executions import (
    StartOptions,
    WantedWorkflow,
    start_system_workflow,
    start_workflow,
)
from manager.storage.models import Execution
from tests.support.workflows import admin, make_deployment

SHAPES = Path(__file__).parents[2] / "contract" / "samples" / "workflow_messages.jsonl"

pytestmark = pytest.mark.integration


def start_install(session, **options):
    deployment = make_deployment(session)
    wanted = WantedWorkflow(workflow_id="install", options=StartOptions(**options))
    return start_workflow(session, admin(session), deployment, wanted)


def the_execution(database):
    with database.session() as session:
        return session.scalars(select(Execution)).one()


def test_a_message_is_published_after_the_commit(database, publisher):
    with database.session() as session:
        start_install(session)
        assert publisher.taken == []

    assert len(publisher.taken) == 1
    assert the_execution(database).dispatched_at is not None


def test_a_transaction_that_fails_publishes_nothing(database, publisher):
    with pytest.raises(ZeroDivisionError):
        _start_and_fail(database)

    assert publisher.taken == []


def _start_and_fail(database):
    with database.session() as session:
        start_install(session)
        raise ZeroDivisionError


@pytest.mark.parametrize("sample", [json.loads(line) for line in SHAPES.read_text().splitlines()])
def test_messages_have_the_shape_of_the_original(database, publisher, sample):
    kwargs = sample["body"]["cloudify_task"]["kwargs"]
    context = kwargs.pop("__cloudify_context")
    with database.session() as session:
        deployment = make_deployment(session) if "deployment_id" in context else None
        if context["workflow_id"] == "install":
            wanted = WantedWorkflow(
                workflow_id="install",
                parameters=kwargs,
                options=StartOptions(allow_custom_parameters=True),
            )
            start_workflow(session, admin(session), deployment, wanted)
        else:
            start_system_workflow(
                session,
                admin(session),
                context["workflow_id"],
                parameters=kwargs,
                deployment=deployment,
            )

    ((exchange, routing_key, body),) = publisher.taken
    sent = dict(body["cloudify_task"]["kwargs"])
    assert [exchange, [routing_key]] == [sample["exchange"], sample["routing_keys"]]
    assert list(body) == list(sample["body"])
    assert list(sent.pop("__cloudify_context")) == list(context)
    assert sent == kwargs
    assert (
        body["cloudify_task"]["kwargs"]["__cloudify_context"]["task_name"] == (context["task_name"])
    )


def test_what_no_broker_took_is_published_later(database, publisher):
    publisher.is_down = True
    with database.session() as session:
        start_install(session)
    assert the_execution(database).dispatched_at is None
    publisher.is_down = False

    with database.session() as session:
        assert redispatch_pending(session, older_than_s=0) == 1

    assert len(publisher.taken) == 1
    assert the_execution(database).dispatched_at is not None
    with database.session() as session:
        assert redispatch_pending(session, older_than_s=0) == 0


def test_what_is_just_being_published_is_left_alone(database, publisher):
    publisher.is_down = True
    with database.session() as session:
        start_install(session)

    with database.session() as session:
        assert redispatch_pending(session, older_than_s=60) == 0


def test_a_late_confirmation_does_not_hide_a_newer_message(database, publisher):
    """Only the message with the present token is a dispatch that a worker will accept."""
    with database.session() as session:
        start_install(session)
        session.flush()
        session.execute(update(Execution).values(token_hash="newer"))

    assert the_execution(database).dispatched_at is None


def token_of(publisher):
    (token,) = publisher.tokens.values()
    return token


@pytest.fixture
def token(database, publisher):
    with database.session() as session:
        start_install(session)
    return token_of(publisher)


def set_status(database, **values):
    with database.session() as session:
        session.execute(update(Execution).values(**values))


@pytest.mark.parametrize("header", ["Execution-Token", "Authentication-Token"])
def test_an_execution_calls_as_its_creator(api, token, header):
    assert api.with_token(token, header).get("/user")["username"] == "admin"


def test_only_a_hash_of_the_token_is_stored(database, token):
    stored = the_execution(database)

    assert token not in str(vars(stored))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("pending", 200),
        ("started", 200),
        ("cancelling", 200),
        ("force_cancelling", 200),
        ("kill_cancelling", 200),
        ("queued", 401),
        ("scheduled", 401),
        ("terminated", 401),
        ("failed", 401),
        ("cancelled", 401),
    ],
)
def test_a_token_is_worth_something_while_the_execution_is_active(
    api, database, token, status, code
):
    set_status(database, status=status)

    assert api.with_token(token).call("GET", "/user").status_code == code


def test_a_token_opens_no_other_tenant(api, token):
    client = api.with_token(token)
    client.headers["Tenant"] = "another"

    assert client.call("GET", "/user").status_code == 403
