"""Wheels are chosen and fetched for the nodes' Python, not for this machine's."""

import subprocess

import pytest

from installer.bundle import wheels
from installer.bundle.catalogue import RELEASES
from installer.bundle.sources import split_pinned
from installer.bundle.wheels import (
    download,
    fetchable_again,
    locked_wheel,
    pinned_again,
    resolve,
    run_uv,
)
from installer.errors import PreflightError
from tests.support.bundles import write_wheel

BOOKWORM = RELEASES["bookworm"]


@pytest.fixture
def called(monkeypatch):
    """Note the command lines instead of running them."""
    lines: list[list[str]] = []

    def run(command, **options):
        lines.append(list(command))
        return subprocess.CompletedProcess(command, 0, stdout="pinned", stderr="")

    monkeypatch.setattr(wheels.subprocess, "run", run)
    return lines


def option(words: list[str], name: str) -> list[str]:
    return [words[i + 1] for i, word in enumerate(words) if word == name]


def test_versions_are_chosen_for_the_nodes_python(called):
    assert resolve(["flask>=3"], BOOKWORM, "amd64") == "pinned"

    (words,) = called
    assert option(words, "--python-version") == ["3.11"]
    assert option(words, "--python-platform") == ["x86_64-manylinux_2_28"]


def test_wheels_are_fetched_for_the_nodes_python_with_their_hashes(called, tmp_path):
    download("flask==3 --hash=sha256:00", BOOKWORM, "arm64", tmp_path / "wheels")

    (words,) = called
    assert option(words, "--abi") == ["cp311"]
    assert all(name.endswith("_aarch64") for name in option(words, "--platform"))
    assert "--require-hashes" in words
    assert option(words, "--only-binary") == [":all:"]


def test_a_locked_wheel_is_asked_for_by_its_one_hash(tmp_path):
    wheel = locked_wheel(write_wheel(tmp_path, "Zope.Event", {}), "installer")

    assert wheel.name == "zope-event"
    assert pinned_again([wheel]) == f"zope-event==1.0 --hash=sha256:{wheel.sha256}\n"


@pytest.mark.parametrize(
    ("stderr", "what"),
    [("/usr/bin/python3: No module named pip", "pip is not"), ("ERROR: no route", "no route")],
)
def test_a_tool_that_fails_is_a_problem_with_a_remedy(stderr, what, monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr=stderr)
    monkeypatch.setattr(wheels.subprocess, "run", lambda *words, **options: failed)

    with pytest.raises(PreflightError) as caught:
        download("flask==3", BOOKWORM, "amd64", tmp_path / "wheels")

    (problem,) = caught.value.problems
    assert what in problem.what
    assert problem.remedy


def test_what_the_index_has_as_sources_only_is_built_from_the_locked_source(tmp_path):
    """Another source than the lock's must not come; the wheel's own hash is not at the index."""
    plain, built = "flask==3 \\\n    --hash=sha256:00\n", "wagon==1 \\\n    --hash=sha256:11\n"
    wheel = locked_wheel(write_wheel(tmp_path, "wagon", {}), "manager", "11")

    assert split_pinned(plain + built) == (plain, built)
    assert fetchable_again([wheel]) == "wagon==1.0 --hash=sha256:11\n"
    assert pinned_again([wheel]) == f"wagon==1.0 --hash=sha256:{wheel.sha256}\n"


def test_a_missing_uv_names_what_to_install(monkeypatch):
    monkeypatch.setattr(wheels.shutil, "which", lambda name, path: None)

    with pytest.raises(PreflightError) as caught:
        run_uv(["compile"])

    assert "'.[bundle]'" in caught.value.problems[0].remedy
