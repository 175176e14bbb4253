"""What a person meets: the table, the findings, the next step, the exit code."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from installer.actions.preflight import Examined
from installer.cli import install_cluster as command
from installer.cli.failure import report_failure
from installer.errors import PreflightError
from installer.preflight.check import Subject
from tests.support.preflight import examined, healthy

NODE = "node-1"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run `cluster preflight` on nodes that are as the test says."""
    path = tmp_path / "inventory.yaml"
    path.write_text("")

    def go(*words, **facts):
        nodes = healthy()
        nodes[NODE] = Subject(nodes[NODE].wanted, replace(nodes[NODE].facts, **facts))

        def found(_, waived):
            return Examined(examined(nodes, waived), nodes)

        monkeypatch.setattr(command, "preflight_cluster", found)
        return CliRunner().invoke(command.preflight, ["-i", str(path), *words])

    return go


def test_hosts_that_are_in_order_are_one_line_and_the_next_step(run):
    done = run()

    assert done.exit_code == 0
    counted, following = done.output.strip().splitlines()
    assert "checks on 3 nodes" in counted
    assert "Nothing was changed." in counted
    assert following.startswith("Next: cfy_manager cluster install -i ")


def test_a_finding_that_forbids_the_work_ends_with_exit_4(run, capsys):
    done = run(masked=frozenset({"nginx.service"}))

    assert "failed  unit-masked  node-1" in done.output
    assert "Next:" not in done.output
    assert isinstance(done.exception, PreflightError)
    assert report_failure(done.exception) == 4
    assert "systemctl unmask nginx.service" in capsys.readouterr().err


def test_a_waived_finding_is_told_and_forbids_nothing(run):
    done = run("--waive", "unit-masked", masked=frozenset({"nginx.service"}))

    assert done.exit_code == 0
    assert "waived  unit-masked  node-1" in done.output


def test_json_is_one_object(run):
    done = run("--json", masked=frozenset({"nginx.service"}))

    (finding,) = json.loads(done.output)["findings"]
    assert (finding["node"], finding["code"]) == (NODE, "unit-masked")


def test_reports_are_written_where_they_are_wanted(run, tmp_path):
    junit, folder = tmp_path / "junit.xml", tmp_path / "reports"

    run("--junit", str(junit), "--report", str(folder))

    assert junit.read_text().count("<testsuite ") == 3
    assert sorted(path.name for path in folder.iterdir()) == [f"node-{n}.txt" for n in (1, 2, 3)]


def test_every_check_can_be_listed_without_an_inventory():
    words = [sys.executable, "-m", "installer", "cluster", "preflight", "--list"]

    said = subprocess.check_output(words, text=True)

    assert "clock-offset" in said
    assert "mtu-black-hole" in said
