"""A node by itself: its file is complete and recorded before anything is touched."""

from contextlib import contextmanager

import pytest
import yaml

from installer.actions import node
from installer.actions.installed import read_installed
from installer.actions.node import install_node
from installer.actions.options import RunOptions
from installer.errors import ConfigError, PhaseFailed, Problem
from installer.events import Outcome
from installer.phases import PhaseResult
from installer.report import report_for

ADDRESSES = {"manager": {"private_ip": "10.0.0.1", "public_ip": "10.0.0.1"}}


@pytest.fixture
def run(here, monkeypatch):
    """Install with an engine that finds every phase as the test says; yields the jobs it got."""
    jobs = []
    results = [PhaseResult(phase="database/etcd", outcome=Outcome.CHANGED, changes=("n: x",))]

    @contextmanager
    def survey(given, look):
        jobs.extend(given)
        yield object()

    def roll_out(seen, options, notify):
        if isinstance(results[0], Exception):
            raise results[0]
        return tuple(results)

    monkeypatch.setattr(node, "survey", survey)
    monkeypatch.setattr(node, "roll_out", roll_out)
    monkeypatch.setattr(node, "LOGS", here / "log")

    def go(document, overrides=ADDRESSES, ended=None):
        results[:] = [ended] if ended else results
        path = here / "config.yaml"
        path.write_text(yaml.safe_dump(document))
        options = RunOptions(alone=True)
        return install_node((path,), overrides, options, report_for(as_json=True))

    return go, jobs, here


def test_the_command_line_completes_the_file_and_is_remembered(run):
    go, jobs, here = run

    installed = go(
        {"services_to_install": ["queue_service"], "rabbitmq": {"password": "Xo3gieW8ooNg4Iey"}}
    )

    assert installed.changes == 1
    assert jobs[0].inputs.config["manager"]["private_ip"] == "10.0.0.1"
    assert "private_ip" not in (here / "config.yaml").read_text()
    recorded = read_installed(here)
    assert recorded is not None
    assert recorded.config["manager"]["private_ip"] == "10.0.0.1"
    assert recorded.services == ("queue_service",)


def test_an_invalid_file_leaves_no_trace(run):
    go, jobs, here = run

    with pytest.raises(ConfigError):
        go({"services_to_install": ["no_service"]})

    assert jobs == []
    assert read_installed(here) is None
    assert not (here / "secrets.yaml").exists()


def test_what_a_failed_run_began_can_be_removed(run):
    go, _, here = run
    failure = PhaseFailed(Problem(where="n", what="broken", remedy="mend it"))

    with pytest.raises(PhaseFailed) as raised:
        go({}, ended=failure)

    assert read_installed(here) is not None
    assert any("Log: " in note for note in raised.value.__notes__)


def test_a_deferred_phase_waits_for_the_other_nodes(run):
    go, _, _ = run
    deferred = PhaseResult(phase="database/etcd", outcome=Outcome.DEFERRED)

    assert go({}, ended=deferred).waits_for_peers
