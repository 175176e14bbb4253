"""The command line of the sandbox, as far as it touches no machine."""

import json

import pytest
from click.testing import CliRunner

from installer.cli.sandbox import sandbox
from installer.errors import ConfigError
from installer.sandbox import faults, record
from installer.sandbox.plan import Node, plan_hosts
from installer.sandbox.record import Fault, FaultKind, Record


@pytest.fixture(autouse=True)
def demo(tmp_path, monkeypatch):
    """A sandbox on record whose machine was restarted."""
    monkeypatch.setenv("CFY_MANAGER_SANDBOXES", str(tmp_path))
    (tmp_path / "demo").mkdir()
    (tmp_path / "half-made").mkdir()
    nodes = [Node(f"db-{n}", {"default": f"10.0.0.1{n}"}) for n in (1, 2)]
    cut = Fault(number=1, kind=FaultKind.CUT, hosts=("db-1",))
    record.save(
        Record(name="demo", suite="trixie", image="/i", plan=plan_hosts(nodes), faults=(cut,))
    )


def invoke(*words):
    return CliRunner().invoke(sandbox, words)


@pytest.mark.parametrize(
    "words",
    [
        ("up",),
        ("up", "--hosts", "1", "--inventory", __file__),
        ("up", "--name", "Über", "--hosts", "1"),
        ("down",),
        ("down", "demo", "--all"),
        ("heal", "demo"),
        ("heal", "demo", "db-1", "--all"),
        ("fail", "demo", "explode", "db-1"),
        ("fail", "demo", "cut", "db-1", "db-2"),
        ("fail", "demo", "cut-pair", "db-1"),
        ("fail", "demo", "cut-pair", "db-1", "db-1"),
        ("fail", "demo", "freeze", "db-1"),
        ("fail", "demo", "slow", "db-1"),
        ("fail", "demo", "cut", "db-1", "--for", "0"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_done(words):
    done = invoke(*words)

    assert done.exit_code == 2, done.output


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        (
            ("cut", "db-1", "--for", "30"),
            faults.Wish(kind=FaultKind.CUT, hosts=("db-1",), heal_after_s=30),
        ),
        (
            ("cut-pair", "db-1", "db-2"),
            faults.Wish(kind=FaultKind.CUT_PAIR, hosts=("db-1", "db-2")),
        ),
        (
            ("freeze", "db-1", "etcd.service"),
            faults.Wish(kind=FaultKind.FREEZE, hosts=("db-1",), detail="etcd.service"),
        ),
        (
            ("fill-disk", "db-1", "--free-mb", "7"),
            faults.Wish(kind=FaultKind.FILL_DISK, hosts=("db-1",), detail="7"),
        ),
        (
            ("slow", "db-1", "--delay-ms", "9"),
            faults.Wish(kind=FaultKind.SLOW, hosts=("db-1",), detail="netem delay 9ms"),
        ),
    ],
)
def test_each_fault_is_asked_for_by_its_words(monkeypatch, words, wish):
    asked = []

    def note(name, given):
        asked.append((name, given))
        return Fault(number=1, kind=given.kind, hosts=given.hosts, detail=given.detail)

    monkeypatch.setattr(faults, "fail", note)

    done = invoke("fail", "demo", *words)

    assert done.exit_code == 0, done.output
    assert asked == [("demo", wish)]


def test_the_status_shows_hosts_that_are_off_and_their_faults():
    done = invoke("status")

    (row,) = [line for line in done.output.splitlines() if line.startswith("db-1")]
    assert row.split(maxsplit=5) == ["db-1", "10.0.0.11/24", "off", "-", "-", "cut db-1"]


def test_the_status_for_programs_has_every_host():
    (document,) = json.loads(invoke("status", "--json").output)

    assert document["name"] == "demo"
    assert document["networks"] == [{"subnet": "10.0.0.0/24", "controller": "10.0.0.1"}]
    assert [(host["name"], host["state"]) for host in document["hosts"]] == [
        ("db-1", "off"),
        ("db-2", "off"),
    ]


@pytest.mark.parametrize(
    "words", [("exec", "other", "--", "true"), ("inventory", "other", "-i", __file__)]
)
def test_a_sandbox_that_is_not_up_is_named(words):
    assert isinstance(invoke(*words).exception, ConfigError)
