"""manager.yaml: the example is valid, and each mistake is told with its key."""

import copy
from pathlib import Path

import pytest
import yaml

from manager.errors import SettingsError
from manager.settings_file import load_settings, parse_settings

EXAMPLE = Path(__file__).parents[3] / "docs" / "reference" / "manager.example.yaml"


@pytest.fixture
def document():
    return yaml.safe_load(EXAMPLE.read_text())


def problems_of(document):
    with pytest.raises(SettingsError) as caught:
        parse_settings(document)
    return {problem.where: problem for problem in caught.value.problems}


def test_the_documented_example_is_valid():
    settings = load_settings(EXAMPLE)

    assert [host.name for host in settings.database.hosts] == ["db-1", "db-2", "db-3"]
    assert settings.rabbitmq.hosts[0].networks == {"default": "10.0.0.21"}
    assert settings.services["Webserver"] == "nginx.service"


def test_what_the_example_shows_as_optional_may_be_left_out(document):
    for key in ("rest", "file_sync", "paths", "services"):
        del document[key]

    assert parse_settings(document) == load_settings(EXAMPLE)


@pytest.mark.parametrize(
    ("section", "key", "value", "where", "words"),
    [
        ("manager", "hostname", None, "manager.hostname", "a string"),
        ("manager", "hostname", "", "manager.hostname", "empty"),
        ("manager", "private_ip", "10.0.0.300", "manager.private_ip", "neither an IP address"),
        ("manager", "colour", "red", "manager.colour", "unknown key"),
        ("database", "hosts", [], "database.hosts", "empty"),
        ("database", "hosts", "10.0.0.1", "database.hosts", "a list"),
        ("database", "hosts", [{"name": "a"}], "database.hosts[0].address", "missing"),
        ("database", "port", "5432", "database.port", "a whole number"),
        ("database", "port", True, "database.port", "a whole number"),
        ("database", "port", 65536, "database.port", "out of range"),
        ("database", "sslmode", "maybe", "database.sslmode", "unknown"),
        ("database", "ca_path", None, "database.ca_path", "missing"),
        ("database", "cert_path", "/x", "database.cert_path", "together"),
        ("rabbitmq", "is_external", "no", "rabbitmq.is_external", "true or false"),
        ("rest", "threads", 0, "rest.threads", "out of range"),
        ("rest", "log_level", "LOUD", "rest.log_level", "unknown"),
        ("worker", "log_level", "info", "worker.log_level", "unknown"),
        ("worker", "task_retries", -2, "worker.task_retries", "out of range"),
        ("rest", "account_lock_period", -2, "rest.account_lock_period", "out of range"),
        ("security", "secret_key", 5, "security.secret_key", "a string"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(document, section, key, value, where, words):
    document[section][key] = value

    problems = problems_of(document)

    assert list(problems) == [where]
    assert words in problems[where].what


def test_a_manager_may_be_known_by_a_name(document):
    document["manager"]["private_ip"] = "manager-1.example.test"

    assert parse_settings(document).manager.private_ip == "manager-1.example.test"


def test_the_same_address_twice_is_a_problem(document):
    document["rabbitmq"]["hosts"][1]["address"] = "10.0.0.21"

    assert "occurs twice" in problems_of(document)["rabbitmq.hosts"].what


def test_all_problems_are_told_at_once(document):
    del document["security"]
    document["manager"]["hostname"] = 5
    document["extra"] = {}

    assert set(problems_of(document)) == {"security", "manager.hostname", "extra"}


def test_a_message_never_shows_a_value_that_may_be_a_secret(document):
    document["database"]["password"] = ["hunter2"]

    with pytest.raises(SettingsError) as caught:
        parse_settings(document)

    assert "hunter2" not in str(caught.value)


def test_settings_do_not_show_their_secrets(document):
    shown = repr(parse_settings(copy.deepcopy(document)))

    assert document["database"]["password"] not in shown
    assert document["security"]["encryption_key"] not in shown


def test_an_absent_file_is_a_problem_with_its_path(tmp_path):
    with pytest.raises(SettingsError, match=r"manager\.yaml: file: No such file"):
        load_settings(tmp_path / "manager.yaml")


def test_a_file_that_is_not_yaml_is_a_problem(tmp_path):
    (tmp_path / "manager.yaml").write_text("{")

    with pytest.raises(SettingsError, match="not YAML"):
        load_settings(tmp_path / "manager.yaml")
