"""Files are read with their lines, laid over each other, and completed with defaults."""

import pytest

from installer.config.check import load_config
from installer.config.load import load_documents
from installer.errors import ConfigError

ALL_IN_ONE = "manager: {private_ip: 10.0.0.1, public_ip: 10.0.0.1, hostname: n-1}\n"


def write(folder, *texts):
    paths = [folder / f"{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def problems_of(paths, overrides=None):
    with pytest.raises(ConfigError) as caught:
        load_config(paths, overrides or {})
    return {problem.where: problem for problem in caught.value.problems}


def test_later_files_win_key_by_key_and_replace_lists(tmp_path):
    paths = write(
        tmp_path,
        ALL_IN_ONE + "services_to_install: [database_service, queue_service]\n",
        "manager: {public_ip: cfy.example.com}\nservices_to_install: [manager_service]\n",
    )

    document = load_documents(paths).document

    assert document["manager"] == {
        "private_ip": "10.0.0.1",
        "public_ip": "cfy.example.com",
        "hostname": "n-1",
    }
    assert document["services_to_install"] == ["manager_service"]


def test_a_problem_names_the_file_that_won(tmp_path):
    paths = write(tmp_path, ALL_IN_ONE + "restservice: {port: 1}\n", "\nrestservice: {port: x}\n")

    problem = problems_of(paths)["restservice.port"]

    assert (problem.file, problem.line) == (str(paths[1]), 2)


def test_problems_of_all_files_are_told_at_once(tmp_path):
    problems = problems_of(write(tmp_path, ALL_IN_ONE + "one: 1\n", "two: 2\n"))

    assert {where: problem.line for where, problem in problems.items()} == {"one": 2, "two": 1}


def test_every_unreadable_file_is_told_at_once(tmp_path):
    paths = [*write(tmp_path, "", "- a\n"), tmp_path / "none.yaml"]

    with pytest.raises(ConfigError) as caught:
        load_documents(paths)

    assert [problem.file for problem in caught.value.problems] == list(map(str, paths))


def test_the_command_line_wins_over_files(tmp_path):
    config = load_config(write(tmp_path, ALL_IN_ONE), {"manager": {"private_ip": "10.0.0.2"}})

    assert config["manager"]["private_ip"] == "10.0.0.2"
    assert config["manager"]["public_ip"] == "10.0.0.1"


def test_a_problem_of_the_command_line_is_named_so(tmp_path):
    problems = problems_of(write(tmp_path, ALL_IN_ONE), {"manager": {"private_ip": "10.0.0.300"}})

    assert problems["manager.private_ip"].file == "command line"


def test_what_is_left_out_has_its_default_at_any_depth(tmp_path):
    config = load_config(write(tmp_path, ALL_IN_ONE), {})

    assert config["restservice"]["gunicorn"]["max_requests"] == 1000
    assert config["postgresql_server"]["cluster"]["synchronous_mode"] == "on"
    assert config["rabbitmq"]["erlang_cookie"] is None
    assert config["networks"] == {"default": "10.0.0.1", "external": "10.0.0.1"}
    assert config["rabbitmq"]["nodename"] == "n-1"


def test_members_have_defaults_too(tmp_path):
    members = ALL_IN_ONE.replace("}", ", cluster_members: {n-1: {address: 10.0.0.1}}}")

    config = load_config(write(tmp_path, members), {})

    assert config["manager"]["cluster_members"]["n-1"]["public_address"] == ""


def test_defaults_are_not_shared_between_documents(tmp_path):
    paths = write(tmp_path, ALL_IN_ONE)
    load_config(paths, {})["services_to_install"].clear()

    assert load_config(paths, {})["services_to_install"]


def test_the_rewind_user_has_the_replicators_password_unless_it_has_its_own(tmp_path):
    cluster = "postgresql_server: {cluster: {postgres: {replicator_password: Xo3gieW8ooNg4Iey}}}\n"

    config = load_config(write(tmp_path, ALL_IN_ONE + cluster), {})

    assert (
        config["postgresql_server"]["cluster"]["postgres"]["rewind_password"] == "Xo3gieW8ooNg4Iey"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("True", True),
        ("2024-01-31", "2024-01-31"),
        ("10:20:30", "10:20:30"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("-5", -5),
        ("0", 0),
        ("1.5", 1.5),
        ("~", None),
    ],
)
def test_words_and_numbers_are_what_people_take_them_for(text, value, tmp_path):
    (path,) = write(tmp_path, f"key: {text}\n")

    assert load_documents([path]).document == {"key": value}


def test_shared_parts_can_be_merged_in(tmp_path):
    (path,) = write(
        tmp_path, "base: &base {a: 1, b: 2}\nmore: &more {c: 3}\nall: {<<: [*base, *more], b: 4}\n"
    )

    loaded = load_documents([path])

    assert loaded.document["all"] == {"a": 1, "b": 4, "c": 3}
    assert loaded.problems == ()


def test_files_may_be_left_out_of_the_check(tmp_path):
    """A node whose certificates are gone can still be taken away."""
    section = "rabbitmq: {cert_path: /none.crt, key_path: /none.key, ca_path: /none.ca}\n"
    services = "services_to_install: [queue_service]\n"
    paths = write(
        tmp_path, ALL_IN_ONE + services + section.replace("{", "{password: Xo3gieW8ooNg4Iey, ")
    )

    config = load_config(paths, {}, check_files=False)

    assert config["rabbitmq"]["cert_path"] == "/none.crt"
    assert "rabbitmq.cert_path" in problems_of(paths)
