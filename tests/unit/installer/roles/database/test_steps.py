import subprocess

import pytest

from installer.roles.database.state import database_stages
from installer.roles.database.users import user_verifiers

FOLDER = "/etc/patroni/tls"


def texts(db):
    for stage in database_stages(db):
        if stage.gate:
            yield stage.gate.name, stage.gate.check
        for step in stage.steps:
            yield f"guard of {step.name}", step.guard
            yield step.name, step.script


def step(db, start):
    (found,) = [
        step for stage in database_stages(db) for step in stage.steps if step.name.startswith(start)
    ]
    return found


def test_every_guard_and_script_is_valid_shell(db):
    for name, text in texts(db()):
        checked = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True)

        assert (checked.returncode, checked.stderr) == (0, ""), name


def test_every_guard_is_false_on_a_bare_host(db):
    """Nothing of the role is on the machine that runs the tests; nobody is there to be joined."""
    for name, text in texts(db()):
        if name.startswith("guard") and "Join" not in name:
            held = subprocess.run(["sh", "-eu"], input=text, text=True, capture_output=True)

            assert held.returncode != 0, name


def test_changes_go_to_the_primary_wherever_it_is(db, user_certificates):
    """The socket comes first: there the superuser needs no password."""
    script = step(db(cluster=user_certificates), "Create the user").script

    assert "host=/run/postgresql,10.0.0.11,10.0.0.13 " in script
    assert "target_session_attrs=read-write" in script
    assert f"sslmode=verify-full sslrootcert={FOLDER}/ca.crt" in script
    assert f"sslcert={FOLDER}/client-postgres.crt sslkey={FOLDER}/client-postgres.key" in script


def test_the_managers_user_owns_its_database_which_is_closed_to_others(db):
    script = step(db(), "Create the user").script

    assert "\\set username 'cloudify'\n\\set database 'cloudify_db'\n" in script
    assert "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS" in script
    assert "REVOKE ALL ON DATABASE %I FROM PUBLIC" in script


def test_there_is_no_such_step_where_managers_make_the_database(db):
    names = [name for name, _ in texts(db(application={"password_verifier": ""}))]

    assert not [name for name in names if name.startswith("Create the user")]


def test_there_is_no_step_for_passwords_that_nobody_has(db):
    nobody = db(
        nodes={},
        postgres_password="",
        cluster={"postgres": {"replicator_password": "", "rewind_password": ""}},
    )

    assert not [name for name, _ in texts(nobody) if name.startswith("Set the passwords")]


def test_the_same_password_gives_the_same_verifier_on_every_node(db):
    """A fresh salt would make each run change the password."""
    assert user_verifiers(db()) == user_verifiers(db())


@pytest.mark.parametrize("user", ["postgres", "replicator", "rewind"])
def test_users_with_one_password_have_verifiers_of_their_own(db, user):
    same = db(
        postgres_password="one-secret",
        cluster={
            "postgres": {"replicator_password": "one-secret", "rewind_password": "one-secret"}
        },
    )
    verifiers = user_verifiers(same)

    assert list(verifiers.values()).count(verifiers[user]) == 1


def test_every_wanted_parameter_is_asked_for(db):
    guard = step(db(config={"log_statement": "it's"}), "Bring").guard

    assert "('log_statement', 'it''s')" in guard
    assert "current_setting('max_connections') = '250'" in guard


def test_what_all_members_share_is_set_by_one_of_them(db):
    assert step(db(), "Change the configuration").once
