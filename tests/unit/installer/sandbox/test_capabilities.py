"""What a machine lacks is named, each with its remedy."""

import os
from types import SimpleNamespace

import pytest

from installer.errors import PreflightError
from installer.sandbox import capabilities


@pytest.fixture
def root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def all_tools(monkeypatch):
    monkeypatch.setattr(capabilities.shutil, "which", lambda tool: f"/usr/bin/{tool}")


def answer_probes(monkeypatch, failing):
    """Let the trials whose script contains a text fail."""

    def answer(argv, **_):
        broken = any(text in argv[-1] for text in failing)
        return SimpleNamespace(returncode=int(broken), stderr="not permitted\nmore", stdout="")

    monkeypatch.setattr(capabilities.subprocess, "run", answer)


def test_somebody_else_than_root_is_told_only_that(monkeypatch):
    """Every other trial would fail for this one reason."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    (problem,) = capabilities.missing_capabilities()

    assert problem.what == "you are not root"


@pytest.mark.usefixtures("root")
def test_each_missing_tool_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    problems = [str(problem) for problem in capabilities.missing_capabilities()]

    for tool, package in (("systemd-nspawn", "systemd-container"), ("nft", "nftables")):
        assert any(
            f"no command {tool}\n" in text and f"apt-get install {package}" in text
            for text in problems
        )


@pytest.mark.usefixtures("root", "all_tools")
@pytest.mark.parametrize(
    ("failing", "names"),
    [
        (["overlay"], ["overlayfs"]),
        (["-o loop"], ["loop devices"]),
        (["type bridge"], ["bridge devices"]),
        (["type veth"], ["veth devices"]),
        (["nft "], ["nftables on bridges"]),
        (["overlay", "veth"], ["overlayfs", "veth devices"]),
        ([""], ["mount and network namespaces"]),
    ],
)
def test_each_missing_part_of_the_kernel_is_named(monkeypatch, failing, names):
    answer_probes(monkeypatch, failing)

    problems = capabilities.missing_capabilities()

    assert [problem.what for problem in problems if "cgroup2" not in problem.what] == [
        f"no {name} (not permitted)" for name in names
    ]
    assert all(problem.remedy for problem in problems)


@pytest.mark.usefixtures("root", "all_tools")
def test_faults_that_the_kernel_cannot_make_do_not_forbid_the_sandbox(monkeypatch):
    answer_probes(monkeypatch, ["netem"])

    assert not [p for p in capabilities.missing_capabilities() if "cgroup2" not in p.what]
    assert [p.what for p in capabilities.unavailable_faults()][:-1] == [
        "no fail slow --delay-ms (sch_netem) (not permitted)"
    ]


def test_a_disk_that_is_too_small_is_found_before_it_is_full(tmp_path):
    with pytest.raises(PreflightError, match="GB are free"):
        capabilities.require_space(tmp_path / "not" / "made" / "yet", hosts=10**9)
