"""Versions are told by node; what differs between nodes is marked."""

import json
import subprocess

import pytest

from installer.actions import versions
from installer.actions.versions import Version, own_version, versions_on
from installer.cli import run
from installer.cli import version as command
from installer.engine.outcome import Result
from installer.errors import Problem

FOUND = [
    Version("db-1", "patroni", "4.0.7-3"),
    Version("db-2", "patroni", "4.0.6-1"),
    Version("db-1", "nginx", "1.26"),
]


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    problems = []
    monkeypatch.setattr(command, "cluster_versions", lambda _: (FOUND, problems))
    path = tmp_path / "inventory.yaml"
    path.touch()
    return path, problems


def test_a_version_that_differs_between_nodes_is_marked(cluster, capsys):
    assert run(["cluster", "version", "-i", str(cluster[0])]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"cfy_manager {own_version()}")
    marked = [line.split()[0] for line in lines if line.endswith("differs")]
    assert marked == ["db-1", "db-2"]


def test_a_node_that_does_not_answer_ends_it_after_what_the_others_say(cluster, capsys):
    cluster[1].append(Problem(where="db-3", what="no answer", remedy="look"))

    assert run(["cluster", "version", "--json", "-i", str(cluster[0])]) == 5

    shown = capsys.readouterr()
    assert len(json.loads(shown.out)["nodes"]) == 3
    assert "db-3" in shown.err


def test_the_script_reads_environments_and_installed_packages_only(monkeypatch, tmp_path):
    """Run by a real shell, with a dpkg-query that knows one purged package."""
    wheel = tmp_path / "env/lib/python3.11/site-packages/cfy_manager-1.2.dist-info"
    wheel.mkdir(parents=True)
    (wheel / "METADATA").write_text("Name: cfy-manager\nVersion: 1.2\n\nVersion: of the text\n")
    query = tmp_path / "dpkg-query"
    query.write_text(
        "#!/bin/sh\nprintf 'nginx 1.26 ii \\nhaproxy 3.0 rc \\npatroni  un \\n'\nexit 1\n"
    )
    query.chmod(0o755)
    environments = {"runtime": f"{tmp_path}/env", "absent": f"{tmp_path}/none"}
    monkeypatch.setattr(versions, "_ENVIRONMENTS", environments)

    class Shell:
        name = "m-1"

        def run(self, script):
            words = ["sh", "-euc", script]
            path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
            done = subprocess.run(words, env=path, capture_output=True, text=True)
            return Result(done.returncode, done.stdout, done.stderr)

    assert versions_on(Shell()) == (
        Version("m-1", "runtime", "1.2"),
        Version("m-1", "nginx", "1.26"),
    )
