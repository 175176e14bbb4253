"""`python -m manager`: exit codes and words, without a process for each."""

import dataclasses
import io
import json
import logging
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from manager.commands import main
from manager.services.passwords import PasswordChecker
from manager.storage.models import Broker, DatabaseNode, Manager, User
from manager.storage.schema import head_revision
from tests.support.manager_app import ADMIN, manager_settings

pytestmark = pytest.mark.integration


def document(settings):
    """Return manager.yaml for settings."""
    plain = json.dumps(dataclasses.asdict(settings), default=str)
    return {**json.loads(plain), "services": {}}


@pytest.fixture
def configured(settings, tmp_path):
    """Return the path of the settings' manager.yaml."""
    path = tmp_path / "manager.yaml"
    path.write_text(yaml.safe_dump(document(settings)))
    return path


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs a command and gives its exit code and output."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)

    def run(path: Path, *words: str, stdin: str = ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main(["--config", str(path), *words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_bootstrap_makes_an_empty_database_a_cluster(run, empty_database, certificate, tmp_path):
    path = tmp_path / "manager.yaml"
    path.write_text(yaml.safe_dump(document(manager_settings(empty_database, certificate))))

    assert run(path, "migrate")[:2] == (
        0,
        f"schema at revision {head_revision()}\n",
    )
    assert run(path, "check")[0] == 1
    done = run(path, "bootstrap", stdin=json.dumps({"admin_password": ADMIN[1]}))

    assert done[:2] == (0, "manager-1 is part of the cluster\n")
    assert run(path, "check") == (0, "", "")


def test_check_tells_each_problem_on_its_line(run, configured, certificate, settings):
    changed = yaml.safe_load(configured.read_text())
    changed["manager"]["public_ip"] = "198.51.100.1"
    changed["rabbitmq"]["port"] = 1
    configured.write_text(yaml.safe_dump(changed))

    code, _, problems = run(configured, "check")

    assert code == 1
    assert len(problems.splitlines()) == 4  # the manager and three brokers


def test_check_names_absent_files(run, configured):
    changed = yaml.safe_load(configured.read_text())
    changed["rabbitmq"]["ca_path"] = "/absent/ca.crt"
    changed["file_sync"]["enabled"] = True
    changed["file_sync"]["home"] = "/absent/syncthing"
    configured.write_text(yaml.safe_dump(changed))

    code, _, problems = run(configured, "check")

    assert code == 1
    assert "/absent/ca.crt is absent\n" in problems
    assert "/absent/syncthing/cert.pem is absent\n" in problems


def test_check_compares_given_tokens(run, configured, tokens):
    right = json.dumps({"reporter_tokens": tokens})
    wrong = json.dumps({"reporter_tokens": {"db": tokens["broker"]}})

    assert run(configured, "check", "--secrets", stdin=right)[0] == 0
    code, _, problems = run(configured, "check", "--secrets", stdin=wrong)
    assert code == 1
    assert "db reporters' token" in problems


def test_tokens_are_shown_for_programs_and_people(run, configured, tokens):
    assert json.loads(run(configured, "tokens", "--json")[1]) == tokens
    assert f"broker: {tokens['broker']}\n" in run(configured, "tokens")[1]


@pytest.mark.parametrize(
    ("kind", "name", "model"),
    [
        ("manager", "manager-1", Manager),
        ("broker", "queue-1", Broker),
        ("db", "db-1", DatabaseNode),
    ],
)
def test_a_node_is_forgotten_once(run, configured, database, kind, name, model):
    with database.session() as session:
        before = len(session.scalars(select(model)).all())

    assert run(configured, "forget", kind, name)[0] == 0
    code, _, problem = run(configured, "forget", kind, name)

    assert (code, problem) == (1, problem)
    assert name in problem
    with database.session() as session:
        assert len(session.scalars(select(model)).all()) == before - 1


@pytest.mark.parametrize("stdin", ["{", '{"unknown": "tell-nobody"}'])
def test_wrong_secrets_end_the_command_without_being_shown(run, configured, stdin):
    code, out, err = run(configured, "bootstrap", stdin=stdin)

    assert code == 1
    assert "standard input is not" in err
    assert "tell-nobody" not in out + err


def test_an_invalid_manager_yaml_ends_with_3(run, tmp_path):
    (tmp_path / "manager.yaml").write_text("manager: 5\n")

    code, _, problems = run(tmp_path / "manager.yaml", "check")

    assert code == 3
    assert "manager: must be a mapping" in problems


def test_without_file_replication_there_is_nothing_to_serve(run, configured):
    assert run(configured, "serve-sync")[0] == 0


def test_the_encryption_key_changes_in_two_words(run, configured):
    changed = yaml.safe_load(configured.read_text())
    security = changed["security"]
    security["old_encryption_keys"] = [security["encryption_key"]]
    security["encryption_key"] = "new"
    configured.write_text(yaml.safe_dump(changed))

    first, second = (run(configured, "update-encryption-key")[:2] for _ in range(2))

    assert first == (0, "7 values are sealed anew\n")  # 3 tokens, 3 brokers, a tenant
    assert second == (0, "0 values are sealed anew\n")


def test_a_locked_administrator_gets_another_password(run, configured, database):
    with database.session() as session:
        session.scalars(select(User).where(User.is_bootstrap_admin)).one().failed_logins = 9
    request = json.dumps({"password": "another-password"})

    told = run(configured, "reset-admin-password", stdin=request)[:2]

    assert told == (0, "the password of `admin` is changed\n")
    with database.session() as session:
        admin = session.scalars(select(User).where(User.is_bootstrap_admin)).one()
        assert PasswordChecker().is_right("another-password", admin.password_hash)
        assert admin.failed_logins == 0


@pytest.mark.parametrize("request_text", ["", "[]", '{"password": "abc"}', '{"user": "x"}'])
def test_a_request_without_a_good_password_changes_nothing(run, configured, request_text):
    code, _, told = run(configured, "reset-admin-password", stdin=request_text)

    assert code == 1
    assert "password" in told
