"""The commands of the status reporter: their words reach it, its secrets never the terminal."""

import io
import json

import pytest

from installer.cli import run, status_reporter
from installer.errors import ConfigError, Problem
from installer.reporter.settings import NodeType, ReporterSettings
from installer.secrets import Secret

SETTINGS = ReporterSettings(
    tokens={NodeType.DB: Secret("ctok-a")},
    node_name="n-1",
    private_ip="10.0.0.1",
    node_id="b1f3",
    managers_ips=("10.0.0.31", "10.0.0.32"),
    ca_path="/x",
)


@pytest.fixture
def wanted(monkeypatch):
    calls = []

    def configure(given):
        calls.append(given)
        return SETTINGS

    monkeypatch.setattr(status_reporter, "configure_reporter", configure)
    return calls


def test_the_token_comes_from_standard_input(wanted, monkeypatch, capsys):
    """On a command line every user of the host could read it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("ctok-a\n"))

    assert run(["status-reporter", "configure", "--token", "-"]) == 0

    assert wanted[0].token == Secret("ctok-a")
    assert "ctok-a" not in capsys.readouterr().out


def test_addresses_are_repeated_or_stand_with_commas(wanted):
    words = ["--managers-ip", "10.0.0.31, 10.0.0.32", "--managers-ip", "10.0.0.33"]

    assert run(["status-reporter", "configure", *words]) == 0

    assert wanted[0].managers_ip == ("10.0.0.31", "10.0.0.32", "10.0.0.33")
    assert wanted[0].token is None


def test_the_frequency_has_bounds(wanted):
    assert run(["status-reporter", "configure", "--reporting-freq", "0"]) == 2

    assert wanted == []


def test_the_tokens_are_printed_by_their_users(monkeypatch, capsys):
    tokens = {"db_status_reporter": "ctok-a", "broker_status_reporter": "ctok-b"}
    monkeypatch.setattr(status_reporter, "reporter_tokens", lambda: tokens)

    assert run(["status-reporter", "get-tokens"]) == 0
    table = capsys.readouterr().out
    assert run(["status-reporter", "get-tokens", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == tokens
    assert "db_status_reporter" in table
    assert "ctok-a" in table


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_the_service_is_started_and_stopped(monkeypatch, verb):
    calls = []
    monkeypatch.setattr(status_reporter, "control_reporter", calls.append)

    assert run(["status-reporter", verb]) == 0

    assert calls == [verb]


def test_a_node_without_a_reporter_is_told_with_exit_code_3(monkeypatch, capsys):
    def missing():
        raise ConfigError(Problem(where="f", what="not configured", remedy="configure it"))

    monkeypatch.setattr(status_reporter, "show_reporter", missing)

    assert run(["status-reporter", "show-configuration"]) == 3

    assert "configure it" in capsys.readouterr().err


def test_a_removal_tells_what_went(monkeypatch, capsys):
    monkeypatch.setattr(status_reporter, "remove_reporter", lambda: ("delete user cfyreporter",))

    assert run(["status-reporter", "remove"]) == 0

    assert "delete user cfyreporter" in capsys.readouterr().out
