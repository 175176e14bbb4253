"""What a person reads after `install`, `remove` and `node get-id`, and with which exit code."""

from pathlib import Path

import pytest

from installer.actions.node import NodeInstalled
from installer.cli import node, run
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.events import Outcome
from installer.phases import PhaseResult

CONFIG = {
    "services_to_install": ["manager_service"],
    "manager": {"public_ip": "10.0.0.1", "security": {"admin_username": "admin"}},
    "ssl_inputs": {"ca_cert_path": "/etc/cloudify/ssl/ca.crt"},
}


@pytest.fixture
def asked(monkeypatch):
    """Replace what the commands call; the calls stand in the list, the answer in the dict."""
    calls, answers = [], {"outcome": Outcome.CHANGED, "error": None}

    def install_node(paths, overrides, options, report):
        calls.append((paths, overrides))
        if answers["error"]:
            raise answers["error"]
        result = PhaseResult(phase="manager/runtime", outcome=answers["outcome"])
        return NodeInstalled(config=CONFIG, results=(result,), log_path=Path("/log"))

    def remove_node(paths, services):
        calls.append((paths, services))
        return ("purge package nginx",)

    monkeypatch.setattr(node, "install_node", install_node)
    monkeypatch.setattr(node, "remove_node", remove_node)
    monkeypatch.setattr(node, "this_node_id", lambda: "b1f3")
    return calls, answers


def test_flags_are_laid_over_the_file(asked):
    calls, _ = asked

    code = run(["install", "-c", "a.yaml", "-c", "b.yaml", "--private-ip", "10.0.0.1"])

    assert code == 0
    paths = (Path("a.yaml"), Path("b.yaml"))
    assert calls == [(paths, {"manager": {"private_ip": "10.0.0.1"}})]


def test_the_default_file_is_that_of_the_guide(asked):
    calls, _ = asked

    run(["install"])

    assert calls == [((Path("/etc/cloudify/config.yaml"),), {})]


def test_a_manager_ends_with_the_way_to_log_in(asked, capsys):
    run(["install"])

    said = capsys.readouterr().out
    assert "cfy profiles use 10.0.0.1 -u admin" in said
    assert "secrets.yaml" in said
    assert "none: everything is as config.yaml says" in said


def test_a_node_that_waits_for_its_peers_says_so(asked, capsys):
    asked[1]["outcome"] = Outcome.DEFERRED

    assert run(["install"]) == 0

    assert "the last one completes it" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "code"), [(ConfigError, 3), (PhaseFailed, 6)])
def test_a_failure_has_its_exit_code_and_its_remedy(asked, capsys, kind, code):
    asked[1]["error"] = kind(Problem(where="n", what="broken", remedy="mend it"))

    assert run(["install"]) == code

    assert "mend it" in capsys.readouterr().err


def test_a_removal_asks_first_and_no_is_an_answer(asked, monkeypatch):
    monkeypatch.setattr("click.confirm", refuse)

    assert run(["remove"]) == 130

    assert asked[0] == []


def refuse(*_, **__):
    import click

    raise click.Abort


def test_a_removal_tells_what_went_and_what_stays(asked, capsys):
    assert run(["remove", "queue_service", "--yes"]) == 0

    assert asked[0] == [((), ("queue_service",))]
    said = capsys.readouterr().out
    assert "purge package nginx" in said
    assert "Kept: /etc/cloudify" in said


def test_an_unknown_service_is_a_mistake_of_the_command_line(asked):
    assert run(["remove", "no_service", "--yes"]) == 2

    assert asked[0] == []


@pytest.mark.parametrize(("words", "said"), [([], "b1f3\n"), (["--json"], '{"node_id": "b1f3"}\n')])
def test_the_id_of_the_node_is_printed(asked, capsys, words, said):
    assert run(["node", "get-id", *words]) == 0

    assert capsys.readouterr().out == said
