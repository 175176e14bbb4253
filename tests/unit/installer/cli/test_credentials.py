"""The administrator's password comes by prompt or standard input, never by a command line."""

import io
from pathlib import Path

import pytest

from installer.actions.passwords import AdminPassword, demand_good
from installer.cli import credentials, run
from installer.errors import ConfigError, Problem
from installer.secrets import Secret


@pytest.fixture
def given(monkeypatch):
    calls = []

    def reset(password):
        calls.append(password)
        return AdminPassword(said="the password of `admin` is changed", kept_in=Path("/s.yaml"))

    monkeypatch.setattr(credentials, "reset_node_password", reset)
    return calls


def test_the_password_is_the_first_line_of_standard_input(given, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("a new long password\r\nmore\n"))

    assert run(["reset-admin-password", "--password-stdin"]) == 0

    assert given == [Secret("a new long password")]
    assert "a new long" not in capsys.readouterr().out


def test_a_made_password_is_long_and_not_shown_where_a_file_keeps_it(given, capsys):
    assert run(["reset-admin-password", "--generate"]) == 0

    assert len(given[0].reveal()) == 32
    assert given[0].reveal() not in capsys.readouterr().out


def test_where_nobody_can_be_asked_the_options_are_named(given, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("unread\n"))

    assert run(["reset-admin-password"]) == 2

    assert "--password-stdin" in capsys.readouterr().err
    assert given == []


def test_a_password_as_an_argument_is_refused(given):
    assert run(["reset-admin-password", "on-the-command-line"]) == 2
    assert given == []


@pytest.mark.parametrize(
    ("password", "hardening", "code"),
    [
        ("short", "default", "weak-password"),
        ("x" * 300, "default", "weak-password"),
        ("ab" * 200, "default", "bad-value"),
        ("two\nlines-of-it", "default", "bad-value"),
        ("fifteen-letters", "strict", "hardening-password"),
    ],
)
def test_a_bad_password_is_refused_before_any_change(password, hardening, code):
    with pytest.raises(ConfigError) as caught:
        demand_good(Secret(password), hardening=hardening)

    assert code in {problem.code for problem in caught.value.problems}
    assert password not in str(caught.value)


def test_a_good_password_passes():
    demand_good(Secret("sixteen-letters!"), hardening="strict")


def test_managers_that_could_not_be_told_come_after_the_success(monkeypatch, capsys):
    away = Problem(where="manager-2", what="cannot log in", remedy="mend it")
    told = AdminPassword(said="changed", kept_in=Path("/s.yaml"), problems=(away,))
    monkeypatch.setattr(credentials, "reset_cluster_password", lambda *_: told)

    assert run(["cluster", "reset-admin-password", "-i", __file__, "--generate"]) == 5

    said = capsys.readouterr()
    assert "Done: changed" in said.out
    assert "manager-2: cannot log in" in said.err
