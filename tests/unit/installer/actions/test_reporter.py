"""The status reporter by hand: what it is told, what it keeps, and how it goes."""

import subprocess
from dataclasses import replace

import pytest
import yaml

from installer.actions import reporter
from installer.actions.installed import add_installed
from installer.actions.reporter import (
    Wanted,
    configure_reporter,
    control_reporter,
    remove_reporter,
    reporter_of,
    reporter_tokens,
    show_reporter,
    this_node_id,
)
from installer.config.complete import complete
from installer.engine.outcome import GateResult
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.reporter import settings as reporter_module
from installer.reporter.settings import NodeType, ReporterSettings
from installer.secrets import Secret

TOKEN = "ctok-abcdefghij-1234567890"
SETTINGS = ReporterSettings(
    tokens={NodeType.DB: Secret(TOKEN), NodeType.BROKER: Secret("ctok-b")},
    node_name="n-1",
    private_ip="10.0.0.1",
    node_id="b1f3",
    managers_ips=("10.0.0.31",),
    ca_path="/x",
)


@pytest.fixture
def database(here, monkeypatch):
    """A database node that brings its certificates and was installed by itself."""
    for name in ("node.crt", "node.key", "ca.crt"):
        (here / name).write_text(name)
    paths = {"cert_path": "node.crt", "key_path": "node.key", "ca_path": "ca.crt"}
    server = {key: str(here / name) for key, name in paths.items()}
    node = {"private_ip": "10.0.0.1", "public_ip": "10.0.0.1", "hostname": "n-1"}
    add_installed(
        complete(
            {
                "manager": node,
                "services_to_install": ["database_service"],
                "postgresql_server": server,
            }
        ),
        here,
    )
    monkeypatch.setattr(reporter, "load_settings", lambda: stored(here))
    return here


def stored(folder):
    return reporter_module.load_settings(folder / "reporter.yaml")


def store(folder, settings=SETTINGS):
    names = ("node_ca_path", "client_cert_path", "client_key_path")
    (folder / "tls").write_text("PEM")
    files = dict.fromkeys(names, str(folder / "tls"))
    extra = {**files, "broker_username": "b", "broker_password": "p"}
    whole = replace(settings, ca_path=str(folder / "tls"), extra_config=extra)
    (folder / "reporter.yaml").write_text(yaml.safe_dump(whole.to_document()))


def written(session):
    (stage,) = session.applied
    (file,) = (f for f in stage.state.files if f.path.endswith("configuration.yaml"))
    return yaml.safe_load(file.content)


def wanted(folder, **changed):
    given = {"token": Secret(TOKEN), "ca_path": folder / "ca.crt", "managers_ip": ("10.0.0.31",)}
    return Wanted(**{**given, **changed})


def test_the_words_of_the_command_line_are_what_the_reporter_is_told(database, session):
    configure_reporter(wanted(database, reporting_freq=7))

    told = written(session)
    assert told["tokens"] == {"db": TOKEN}
    assert told["managers_ips"] == ["10.0.0.31"]
    assert told["reporting_freq"] == 7


def test_a_reporter_without_a_token_is_a_problem_that_tells_where_tokens_are(database, session):
    with pytest.raises(ConfigError, match="get-tokens"):
        configure_reporter(wanted(database, token=None))

    assert session.applied == []


def test_what_is_not_said_again_stays_as_it_is(database, session):
    store(database)

    configure_reporter(Wanted(reporting_freq=9))

    told = written(session)
    assert told["reporting_freq"] == 9
    assert told["tokens"] == {"db": TOKEN}
    assert told["managers_ips"] == ["10.0.0.31"]
    assert told["node_id"] == "b1f3"


def test_a_reporter_that_does_not_start_is_a_failure(database, session):
    problem = Problem(where="n-1", what="it does not run", remedy="look at the journal")
    session.gate = GateResult(gate="g", passed=False, problem=problem)

    with pytest.raises(PhaseFailed, match="does not run"):
        configure_reporter(wanted(database))


def test_tokens_are_masked_when_the_configuration_is_shown(database):
    store(database)

    shown = show_reporter()

    assert set(shown["tokens"].values()) == {"********"}
    assert TOKEN not in str(shown)
    assert this_node_id() == "b1f3"


@pytest.mark.parametrize("act", [show_reporter, this_node_id, remove_reporter])
def test_a_node_without_a_reporter_says_how_to_get_one(act, database):
    with pytest.raises(ConfigError, match="status-reporter configure"):
        act()


def test_removing_the_reporter_keeps_what_the_services_need(database, session):
    store(database)

    remove_reporter()

    (removal,) = session.removals
    assert removal.units == ("cloudify-status-reporter.service",)
    assert "patroni" in removal.needs
    assert not removal.is_whole


def test_a_reporter_is_reduced_to_the_services_that_are_left(database):
    store(database)

    (stage,) = reporter_of(["database_service"])

    (file,) = (f for f in stage.state.files if f.path.endswith("configuration.yaml"))
    told = yaml.safe_load(file.content)
    assert told["tokens"] == {"db": TOKEN}
    assert "broker_password" not in told["extra_config"]


def test_a_node_with_nothing_to_report_has_no_reporter(database):
    store(database)

    assert reporter_of(["loadbalancer_service"]) == ()


def test_only_a_manager_knows_the_tokens(monkeypatch):
    monkeypatch.setattr(reporter, "_MANAGER", ("/nonexistent/python", "-m", "manager"))

    with pytest.raises(ConfigError, match="on a manager"):
        reporter_tokens()


def test_tokens_have_the_names_that_the_guide_gives_them(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("""#!/bin/sh\necho '{"db": "ctok-a", "manager": "ctok-b"}'\n""")
    program.chmod(0o700)
    monkeypatch.setattr(reporter, "_MANAGER", (str(program),))

    assert reporter_tokens() == {
        "db_status_reporter": "ctok-a",
        "manager_status_reporter": "ctok-b",
    }


def test_the_words_of_systemd_explain_a_service_that_does_not_start(database, monkeypatch):
    store(database)

    def failing(words, **_):
        return subprocess.CompletedProcess(words, 1, "", "Unit is masked.\n")

    monkeypatch.setattr(reporter.subprocess, "run", failing)

    with pytest.raises(PhaseFailed, match="Unit is masked"):
        control_reporter("start")
